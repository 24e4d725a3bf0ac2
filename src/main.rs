//! The `halloo` binary: everything is in [`halloo::cli`].

fn main() -> std::process::ExitCode {
    halloo::cli::main()
}
