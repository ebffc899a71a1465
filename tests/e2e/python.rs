//! Packages of PyPI for the tests, installed once below the target directory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::workspace;
use crate::skipping::{is_insisted, is_there, say_skipped};

/// Returns the virtual environment `name`, which has the packages of `requirements`, a file of `tests/e2e/clients`.
///
/// Installs them unless they are there in these versions. Test processes that run at the same time take turns. Where
/// python3 is missing or the packages cannot be fetched, the test says so and there is none; with `CI=true` the test
/// fails.
pub(crate) fn environment(name: &str, requirements: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the target directory can be written");
    let lock = File::create(folder.join(".lock")).expect("the target directory can be written");
    lock.lock().expect("a file lock");
    let requirements = workspace().join("tests/e2e/clients").join(requirements);
    let wanted = std::fs::read_to_string(&requirements).expect("the requirements can be read");
    let (venv, stamp) = (folder.join("venv"), folder.join("installed"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Some(venv);
    }
    let installed = match is_there("python3") {
        true => install_into(&venv, &requirements),
        false => Err("python3 is missing; install it and test again".to_owned()),
    };
    match installed {
        Ok(()) => {
            std::fs::write(stamp, wanted).expect("the target directory can be written");
            Some(venv)
        }
        Err(why) => {
            assert!(!is_insisted(), "the {name} of the tests cannot be installed: {why}");
            say_skipped(&format!("the {name} of the tests cannot be installed: {why}"));
            None
        }
    }
}

fn install_into(venv: &Path, requirements: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut pip = Command::new(venv.join("bin/python"));
    run(pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]).arg(requirements))
}

fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    match ran.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned()),
    }
}
