//! Which name somebody may have meant who wrote one that does not exist.

/// How alike a name must be to be suggested, from 0 (nothing in common) to 1 (equal).
const SUGGESTED_SIMILARITY_MIN: f64 = 0.7;

/// Bytes of a name that others are compared with, which takes longer the longer it is; for a longer one none is suggested.
const ASKED_BYTES_MAX: usize = 256;

/// The name that is most like the one asked for, in any case; `None` if none is.
pub(crate) fn nearest<'a>(names: impl IntoIterator<Item = &'a str>, asked: &str) -> Option<&'a str> {
    if asked.len() > ASKED_BYTES_MAX {
        return None;
    }
    let asked = asked.to_lowercase();
    let alike = names.into_iter().map(|it| (strsim::jaro_winkler(&it.to_lowercase(), &asked), it));
    let best = alike.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(similarity, _)| *similarity >= SUGGESTED_SIMILARITY_MIN).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_asked_for_is_compared_up_to_a_length() {
        let name = "n".repeat(ASKED_BYTES_MAX);
        let names = || [name.as_str(), "other"];
        assert_eq!(nearest(names(), &name[1..]), Some(name.as_str()));
        assert_eq!(nearest(names(), &name), Some(name.as_str()));
        assert_eq!(nearest(names(), &(name.clone() + "n")), None);
    }
}
