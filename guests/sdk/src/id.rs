//! The ids that handlers are given from outside: what is none is refused here, where the handler can still say so.

use crate::TerminalError;

/// The size of an invocation id; an awakeable's has the number of its command, too.
const INVOCATION_SIZE: usize = 24;

const AWAKEABLE_SIZE: usize = INVOCATION_SIZE + 4;

/// # Errors
///
/// With code 400, when the text is no invocation id.
pub(crate) fn check_invocation(text: &str) -> Result<(), TerminalError> {
    check::<INVOCATION_SIZE>(text, "inv_", "an invocation")
}

/// # Errors
///
/// With code 400, when the text is no awakeable id.
pub(crate) fn check_awakeable(text: &str) -> Result<(), TerminalError> {
    check::<AWAKEABLE_SIZE>(text, "awk_", "an awakeable")
}

fn check<const SIZE: usize>(text: &str, prefix: &str, kind: &str) -> Result<(), TerminalError> {
    let mut bytes = [0; SIZE];
    let decoded = text.strip_prefix(prefix).and_then(|rest| bs58::decode(rest).onto(&mut bytes).ok());
    if decoded == Some(SIZE) {
        return Ok(());
    }
    let text = format!("'{text}' is not {kind} id, which is '{prefix}' and base58 characters");
    Err(TerminalError::new(text).with_code(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_prefix_and_its_length() {
        assert_eq!(check_invocation("inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK"), Ok(()));
        assert_eq!(check_awakeable(&format!("awk_{}", bs58::encode([7; 28]).into_string())), Ok(()));
        for wrong in
            ["", "inv_", "L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK", "inv_L2Tc", "inv_0OIl", "awk_L2TcRPUo77"]
        {
            let error = check_invocation(wrong).expect_err(wrong);
            assert_eq!(error.code(), 400);
            assert!(error.message().starts_with(&format!("'{wrong}' is not an invocation id")), "{error}");
        }
    }
}
