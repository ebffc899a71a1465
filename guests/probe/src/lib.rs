//! Exercises every part of the host, one handler each, for the host's own tests.

mod clients;
mod entropy;
mod events;
mod gate;
mod hostile;
mod inputs;
mod object;
mod policies;
mod sealing;
mod service;
mod together;
mod vocabulary;
mod workflow;

holiday_sdk::export!(
    service::Probe,
    object::ProbeObject,
    workflow::ProbeWorkflow,
    policies::Policies,
    policies::Brief,
    gate::Gate,
    clients::Clients,
    clients::QueryWork,
    events::Events,
    sealing::Sealing,
    sealing::SealingObject,
    sealing::SealingWorkflow,
    vocabulary::Vocabulary,
    vocabulary::keyed::VocabularyObject,
    vocabulary::keyed::VocabularyWorkflow
);
