//! What a package of halloo brings beside the program: shell completions and manual pages, made from the
//! same definition as `--help`, so that they can't say anything else.

use std::io;

use clap::{Command, CommandFactory};

use super::Failure;
use super::options::{Cli, CompletionsOptions, ManOptions};
use super::show::write_stdout_bytes;

/// `halloo completions SHELL`: the script, on stdout.
///
/// # Errors
/// Never.
pub fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "halloo", &mut script);
    write_stdout_bytes(&script);
    Ok(())
}

/// `halloo man [COMMAND]`: the page as troff, on stdout.
///
/// # Errors
/// There is no such command.
pub fn man(options: &ManOptions) -> Result<(), Failure> {
    let page = page(options.command.as_deref())
        .map_err(|error| Failure::machine("no manual page", &error))?;
    let page = page.ok_or_else(|| {
        let name = options.command.as_deref().unwrap_or_default();
        Failure::Usage(format!("there is no command {name:?}"))
    })?;
    write_stdout_bytes(&page);
    Ok(())
}

/// A page: that of a command, or of the program.
fn page(name: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    let mut program = Cli::command();
    program.build();
    let of: Option<Command> = match name {
        None => Some(program),
        // Built, it is called as `man` looks for it: halloo-listen.
        Some(name) => program.find_subcommand(name).cloned(),
    };
    let Some(of) = of else { return Ok(None) };
    let mut page = Vec::new();
    clap_mangen::Man::new(of).render(&mut page)?;
    Ok(Some(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let names = ["listen", "call", "devices"];
        for name in names {
            let page = String::from_utf8(page(Some(name)).unwrap().unwrap()).unwrap();
            assert!(page.contains(&format!(".TH halloo-{name}")), "{page}");
            assert!(page.contains("Examples:"), "{page}");
        }
        let program = String::from_utf8(page(None).unwrap().unwrap()).unwrap();
        assert!(names.iter().all(|name| program.contains(name)), "{program}");
        assert_eq!(page(Some("sing")).unwrap(), None);
    }
}
