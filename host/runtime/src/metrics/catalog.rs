//! What metrics there are: registered once, and described for the documents.

use std::fmt;
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Every name begins with it.
const PREFIX: &str = "holiday";

/// Where the buckets of durations end, in seconds: from what a commit takes to what a patient caller waits.
const DURATIONS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Makes histograms of durations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATIONS)
    }
}

/// A metric as people read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

pub(super) struct Catalog {
    registry: Registry,
    described: Vec<Described>,
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog { registry: Registry::with_prefix(PREFIX), described: Vec::new() }
    }
}

impl Catalog {
    /// Registers a metric that begins empty.
    pub(super) fn add<M: Metric + Clone + Default>(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> M {
        self.register(name, unit, labels, help, M::default())
    }

    pub(super) fn add_histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &[f64],
    ) -> Histogram {
        self.register(name, None, &[], help, Histogram::new(buckets.iter().copied()))
    }

    pub(super) fn add_duration(&mut self, name: &'static str, help: &'static str) -> Histogram {
        self.register(name, Some(Unit::Seconds), &[], help, Durations.new_metric())
    }

    /// Registers durations that differ in their labels.
    pub(super) fn add_durations<S>(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Family<S, Histogram, Durations>
    where
        S: EncodeLabelSet + Clone + fmt::Debug + Eq + Hash + Send + Sync + 'static,
    {
        self.register(name, Some(Unit::Seconds), labels, help, Family::new_with_constructor(Durations))
    }

    fn register<M: Metric + Clone>(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) -> M {
        self.describe(name, unit.as_ref(), labels, help, metric.metric_type());
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric.clone()),
            None => self.registry.register(name, help, metric.clone()),
        }
        metric
    }

    /// Registers what never changes.
    pub(super) fn add_info(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        info: impl Metric,
    ) {
        self.describe(name, None, labels, help, info.metric_type());
        self.registry.register(name, help, info);
    }

    pub(super) fn finish(self) -> (Registry, Vec<Described>) {
        (self.registry, self.described)
    }

    fn describe(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        labels: &'static [&'static str],
        help: &'static str,
        kind: MetricType,
    ) {
        let unit = unit.map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        // What a scrape shows of them has these endings.
        let ending = match kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        let name = format!("{PREFIX}_{name}{unit}{ending}");
        self.described.push(Described { name, kind: kind.as_str().to_owned(), labels, help });
    }
}
