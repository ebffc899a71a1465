//! Which name somebody may have meant who wrote one that does not exist.

/// How alike a name must be to be suggested, from 0 (nothing in common) to 1 (equal).
const SUGGESTED_SIMILARITY_MIN: f64 = 0.7;

/// The name that is most like the one asked for, in any case; `None` if none is.
pub(crate) fn nearest<'a>(names: impl IntoIterator<Item = &'a str>, asked: &str) -> Option<&'a str> {
    let asked = asked.to_lowercase();
    let alike = names.into_iter().map(|it| (strsim::jaro_winkler(&it.to_lowercase(), &asked), it));
    let best = alike.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(similarity, _)| *similarity >= SUGGESTED_SIMILARITY_MIN).map(|(_, name)| name)
}
