//! What callers outside ask the host for, and ask again when they hear nothing.

use holiday_core::event::Invoke;
use holiday_core::id::{InvocationId, Seed};
use holiday_core::target::Target;
use holiday_core::value::Payload;

use crate::dice::Dice;
use crate::programs::{counter, holiday, mixed};

/// One wish of a caller; every submission of it is an [`Invoke`] of its own.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) target: Target,
    input: String,
    pub(crate) idempotency_key: Option<String>,
    delay_ms: Option<u64>,
    retention_ms: u64,
    /// The ids under which it was submitted.
    pub(crate) submitted: Vec<InvocationId>,
}

impl Request {
    pub(crate) fn new(target: Target, input: impl Into<String>) -> Self {
        let input = input.into();
        Request {
            target,
            input,
            idempotency_key: None,
            delay_ms: None,
            retention_ms: 3_600_000,
            submitted: Vec::new(),
        }
    }

    pub(crate) fn named(self, key: impl Into<String>) -> Self {
        Request { idempotency_key: Some(key.into()), ..self }
    }

    /// A request of any kind.
    pub(crate) fn draw(dice: &mut Dice, number: usize) -> Self {
        let mut request = match dice.below(18) {
            0..=3 => Request::new(Target::service("mixed", "go"), mixed::input(dice)),
            4 | 5 => {
                Request::new(Target::keyed("box", format!("b{}", dice.below(2)), "go"), mixed::input(dice))
            }
            6 | 7 => {
                let how = *dice.pick(&["", "sleep", "run", "refuse"]);
                Request::new(counter(dice.below(3)), format!("{} {how}", 1 + dice.below(5)))
            }
            8 | 9 => {
                let run_type = dice.pick(&holiday::RUN_TYPES);
                let input = format!("t{number} {run_type}");
                return Request::new(Target::service("trips", "reserve"), input)
                    .named(format!("trip-{number}"));
            }
            10 => {
                let id = format!("w{}", dice.below(2));
                return Request::new(Target::keyed("workflow", id, "go"), mixed::input(dice));
            }
            11 | 15 | 16 => {
                let id = format!("a{}", dice.below(2));
                let (handler, input) = match dice.below(4) {
                    0 => ("go", dice.below(300).to_string()),
                    1 => ("approve", (*dice.pick(&["first", "second", "first !no"])).to_owned()),
                    _ => ("watch", (*dice.pick(&["first", "second"])).to_owned()),
                };
                Request::new(Target::keyed("approvals", id, handler), input)
            }
            12 => Request::new(Target::service("post", "wait"), dice.below(4).to_string()),
            13 => {
                let input = format!("t{number} {}", dice.pick(&holiday::RUN_TYPES));
                return Request::new(Target::service("agency", "book"), input)
                    .named(format!("trip-{number}"));
            }
            14 => Request::new(Target::service("hasty", "go"), mixed::input(dice)),
            _ => {
                let target = *dice.pick(&["box", "workflow", "counter", "secret"]);
                let handler = if target == "counter" { "get" } else { "peek" };
                Request::new(Target::keyed(target, "b0", handler), "")
            }
        };
        request.delay_ms = dice.chance(15).then(|| dice.below(500));
        request.retention_ms = *dice.pick(&[0, 1_000, 3_600_000]);
        if dice.chance(40) {
            request.idempotency_key = Some(format!("key-{}", dice.below(4)));
        }
        request
    }

    /// Whether submitting it twice cannot do it twice.
    pub(crate) fn is_repeatable(&self) -> bool {
        let is_run =
            matches!(self.target.service.as_str(), "workflow" | "approvals") && self.target.handler == "go";
        self.idempotency_key.is_some() || is_run
    }

    /// The next submission of it.
    pub(crate) fn submit(&mut self, dice: &mut Dice) -> Invoke {
        let id = InvocationId::new(&self.target, dice.bytes());
        self.submitted.push(id);
        Invoke {
            id,
            target: self.target.clone(),
            input: Payload::from(self.input.clone()),
            headers: Vec::new(),
            idempotency_key: self.idempotency_key.clone(),
            seed: Seed(dice.bytes()),
            delay_ms: self.delay_ms,
            retention_ms: self.retention_ms,
        }
    }
}
