//! Two computers in this one: `common/namespace.rs` joins them and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod common {
    pub mod namespace;
    pub mod skip;
}
use common::skip;

#[test]
fn two_namespaces_reach_each_other_and_go_away() {
    let Some(pair) = skip::namespaces("two_namespaces_reach_each_other_and_go_away") else {
        return;
    };
    let names = [pair.left.name.clone(), pair.right.name.clone()];
    let listed = || {
        let output = std::process::Command::new("ip").args(["netns", "list"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(names.iter().all(|name| listed().contains(name)));

    let script = "import socket, sys\n\
        s = socket.create_server((sys.argv[1], 9))\n\
        print('ready', flush=True)\n\
        print(s.accept()[1][0])";
    let mut server = pair.left.command("python3");
    server.args(["-c", script, &pair.left.address.to_string()]);
    let mut server = server.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    let call = "import socket, sys; socket.create_connection((sys.argv[1], 9))";
    let client =
        pair.right.command("python3").args(["-c", call, &pair.left.address.to_string()]).status();
    assert!(client.unwrap().success());
    line.clear();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line.trim(), pair.right.address.to_string());
    assert!(server.wait().unwrap().success());

    drop(pair);
    assert!(names.iter().all(|name| !listed().contains(name)));
}
