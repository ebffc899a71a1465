//! A function, its role and its log group on AWS, made and undone step by step.
//!
//! Each step is journaled, and may be executed again after a crash: what it finds made, or gone, it has done before. So
//! that nothing of somebody else is taken for ours, a step of its own looks first whether the thing is there; and roles and
//! functions bear a mark, without which they are neither taken nor deleted. Log groups can bear none.
//!
//! What is taken back is insisted on: whatever AWS says against it is tried again, and in the end left to an operator, who
//! can repair it and resume.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use aws::iam::CreateRole;
use aws::lambda::{CreateFunction, FunctionCode, UpdateFunctionConfiguration};
use aws::{Aws, AwsError};
use holiday_sdk::{Context, Error, RetryPolicy, Saga, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::zipped;
use crate::function::Function;

const RUNTIME: &str = "nodejs22.x";
const HANDLER: &str = "index.handler";

/// Lambda may assume the role.
const TRUST_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// It may write logs, and nothing else.
const LOGGING_POLICY: &str = "policy/service-role/AWSLambdaBasicExecutionRole";

/// For how long AWS is given to make known everywhere what it has accepted.
const CONSISTENT_WITHIN: Duration = Duration::from_secs(120);

/// What was made for a function, which goes with it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Made {
    pub(crate) arn: String,
    /// What its description says.
    mark: String,
    owns_role: bool,
    owns_log_group: bool,
}

/// The stack of one function.
#[derive(Clone)]
pub(crate) struct Stack {
    ctx: Context,
    function: Rc<Function>,
    /// What the descriptions of its role and its function say.
    mark: Rc<str>,
    /// Whether it is being taken back.
    insists: bool,
}

impl Stack {
    /// A stack that this invocation is about to make.
    pub(crate) fn new(ctx: Context, function: Function) -> Self {
        let mark = format!("Made by holiday-host, {}", ctx.info().invocation_id);
        Self { ctx, function: Rc::new(function), mark: mark.into(), insists: false }
    }

    /// One that was made.
    pub(crate) fn made(ctx: Context, function: Function, made: &Made) -> Self {
        Self { ctx, function: Rc::new(function), mark: made.mark.as_str().into(), insists: false }
    }

    /// The same, to be taken back.
    fn undoing(&self) -> Self {
        Self { insists: true, ..self.clone() }
    }

    /// Makes all of it; how to undo each part is registered before the part is made.
    pub(crate) async fn make(self, saga: &mut Saga<'_>) -> Result<Made, Error> {
        self.assert_free().await?;
        let (role, owns_role) = self.ensure_role(saga).await?;
        let arn = self.create_function(&role, saga).await?;
        let owns_log_group = self.ensure_log_group(saga).await?;
        Ok(Made { arn, mark: self.mark.to_string(), owns_role, owns_log_group })
    }

    /// Makes the function another one; when that fails by half, it is made the old one again.
    pub(crate) async fn change_to(self, after: &Function, made: &Made) -> Result<(), Error> {
        let mut saga = Saga::new();
        let after = Self { function: Rc::new(after.clone()), ..self.clone() };
        let changed = self.change(after, made, &mut saga).await;
        saga.settle(changed).await
    }

    /// Deletes what was made. The log group goes last: as long as there is a role, a late line would make it again.
    pub(crate) async fn delete(&self, made: &Made) -> Result<(), Error> {
        self.delete_function().await?;
        if made.owns_role {
            self.delete_role().await?;
        }
        if made.owns_log_group {
            self.delete_log_group().await?;
        }
        Ok(())
    }

    /// In another region, or with the credentials of another account, there may be another function of this name.
    pub(crate) async fn assert_same_place(&self, made: &Made) -> Result<(), Error> {
        let checked = self.ctx.run("check the region", async || {
            let aws = Aws::from_config()?;
            match made.arn.split(':').nth(3) {
                Some(region) if region != aws.region() => Err(Error::from(
                    TerminalError::new(format!(
                        "{} was made in {region}, and AWS_REGION is {} now; set it back",
                        made.arn,
                        aws.region()
                    ))
                    .with_code(409),
                )),
                Some(_) | None => Ok(()),
            }
        });
        Ok(checked.await?)
    }

    async fn assert_free(&self) -> Result<(), Error> {
        let name = &self.function.function_name;
        let found = self.ctx.run("GetFunction", async || {
            there(Aws::from_config()?.lambda().get_function_configuration(name).await)
        });
        match found.await? {
            None => Ok(()),
            Some(found) => Err(somebody_elses("function", name, &found.function_arn)),
        }
    }

    /// Returns the ARN of the role, and whether it was made here.
    async fn ensure_role(&self, saga: &mut Saga<'_>) -> Result<(String, bool), Error> {
        let name = self.function.role_name();
        let found = self.ctx.run("GetRole", async || {
            Ok(there(Aws::from_config()?.iam().get_role(&name).await)?.map(|role| role.arn))
        });
        if let Some(arn) = found.await? {
            return Ok((arn, false));
        }
        let this = self.undoing();
        saga.compensate(async move || this.delete_role().await);
        let created = self.ctx.run("CreateRole", async || self.create_marked_role().await);
        let arn = created.retry(eventually()).await?;
        // A role is there for some before it is there for all; whether Lambda may assume it, Lambda says.
        let attached = self.ctx.run("AttachRolePolicy", async || {
            let aws = Aws::from_config()?;
            seen(aws.iam().attach_role_policy(&name, &logging_policy(&aws)).await)
        });
        attached.retry(eventually()).await?;
        let seen = self.ctx.run("wait for the role", async || {
            seen(Aws::from_config()?.iam().get_role(&name).await).map(drop)
        });
        seen.retry(eventually()).await?;
        Ok((arn, true))
    }

    async fn create_function(&self, role: &str, saga: &mut Saga<'_>) -> Result<String, Error> {
        let this = self.undoing();
        saga.compensate(async move || this.delete_function().await);
        let created = self.ctx.run("CreateFunction", async || self.create_marked_function(role).await);
        let arn = created.retry(eventually()).await?;
        self.settled("wait for the function").await?;
        Ok(arn)
    }

    /// Returns whether the log group was made here. One that was there before keeps its retention.
    async fn ensure_log_group(&self, saga: &mut Saga<'_>) -> Result<bool, Error> {
        let name = self.function.log_group();
        let found = self
            .ctx
            .run("DescribeLogGroups", async || Ok(Aws::from_config()?.logs().has_log_group(&name).await?));
        if found.await? {
            return Ok(false);
        }
        let this = self.undoing();
        saga.compensate(async move || this.delete_log_group().await);
        let created = self.ctx.run("CreateLogGroup", async || {
            match Aws::from_config()?.logs().create_log_group(&name).await {
                Err(before) if before.code == "ResourceAlreadyExistsException" => Ok(()),
                ended => Ok(ended?),
            }
        });
        created.await?;
        self.put_retention().await?;
        Ok(true)
    }

    /// Changes what differs. What is to be made the old one again is looked at first: a change that AWS has refused is
    /// none, and who may not make it could not take it back either.
    async fn change(&self, after: Self, made: &Made, saga: &mut Saga<'_>) -> Result<(), Error> {
        let (old, new) = (&self.function, &after.function);
        let changes_code = old.code != new.code;
        let changes_configuration = settings(old) != settings(new);
        if changes_code || changes_configuration {
            let before = self.ctx.run("GetFunctionConfiguration", async || self.revision().await).await?;
            let this = self.undoing();
            saga.compensate(async move || this.restore(&before).await);
        }
        if changes_code {
            let updated = self.ctx.run("UpdateFunctionCode", async || update_code(new).await);
            updated.retry(eventually()).await?;
            self.settled("wait for the code").await?;
        }
        if changes_configuration {
            let updated =
                self.ctx.run("UpdateFunctionConfiguration", async || update_configuration(new).await);
            updated.retry(eventually()).await?;
            self.settled("wait for the configuration").await?;
        }
        if made.owns_log_group && old.log_retention_days != new.log_retention_days {
            after.put_retention().await?;
        }
        Ok(())
    }

    /// Makes a function that was changed the one it was, also when AWS could not bring the change into force.
    async fn restore(&self, before: &Revision) -> Result<(), Error> {
        let function = &self.function;
        self.take_back("restore the code", async || match self.revision().await?.code == before.code {
            true => Ok(()),
            false => update_code(function).await,
        })
        .await?;
        self.take_back("restore the configuration", async || {
            match self.revision().await?.settings == before.settings {
                true => Ok(()),
                false => update_configuration(function).await,
            }
        })
        .await
    }

    /// Executes a step that takes something back.
    async fn take_back(
        &self,
        name: &str,
        closure: impl AsyncFnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let step = self.ctx.run(name, closure);
        let ended = match self.insists {
            true => step.insist().retry(eventually().pause_when_exhausted()).await,
            false => step.retry(eventually()).await,
        };
        Ok(ended?)
    }

    /// What AWS has of the function, between two changes.
    async fn revision(&self) -> Result<Revision, Error> {
        let name = &self.function.function_name;
        let found = Aws::from_config()?.lambda().get_function_configuration(name).await?;
        match found.last_update_status.as_deref() {
            Some("InProgress") => {
                Err(Error::retryable(format!("AWS is still changing the function '{name}'")))
            }
            _ => Ok(Revision { code: found.code_sha256, settings: (found.memory_size, found.timeout) }),
        }
    }

    /// Waits until what Lambda has accepted is in force.
    async fn settled(&self, step: &str) -> Result<(), Error> {
        let name = &self.function.function_name;
        let settled = self.ctx.run(step, async || {
            let found = seen(Aws::from_config()?.lambda().get_function_configuration(name).await)?;
            let why = found.state_reason.or(found.last_update_status_reason).unwrap_or_default();
            match (found.state.as_deref(), found.last_update_status.as_deref()) {
                (Some("Failed"), _) | (_, Some("Failed")) => {
                    Err(Error::terminal(format!("AWS could not make the function '{name}': {why}")))
                }
                (Some("Pending"), _) | (_, Some("InProgress")) => {
                    Err(Error::retryable(format!("AWS is still at work on the function '{name}': {why}")))
                }
                _ => Ok(()),
            }
        });
        Ok(settled.retry(eventually()).await?)
    }

    async fn put_retention(&self) -> Result<(), Error> {
        let Some(days) = self.function.log_retention_days else { return Ok(()) };
        let name = self.function.log_group();
        let put = self.ctx.run("PutRetentionPolicy", async || {
            Ok(Aws::from_config()?.logs().put_retention_policy(&name, days).await?)
        });
        Ok(put.await?)
    }

    async fn delete_function(&self) -> Result<(), Error> {
        let name = &self.function.function_name;
        self.take_back("DeleteFunction", async || {
            let aws = Aws::from_config()?;
            let found = there(aws.lambda().get_function_configuration(name).await)?;
            match found.filter(|it| self.is_marked(it.description.as_deref())) {
                Some(_) => match aws.lambda().delete_function(name).await {
                    Err(gone) if gone.code == "ResourceNotFoundException" => Ok(()),
                    ended => when_free(ended),
                },
                None => Ok(()),
            }
        })
        .await
    }

    async fn delete_log_group(&self) -> Result<(), Error> {
        let name = self.function.log_group();
        self.take_back("DeleteLogGroup", async || {
            there(Aws::from_config()?.logs().delete_log_group(&name).await).map(drop)
        })
        .await
    }

    async fn delete_role(&self) -> Result<(), Error> {
        let name = self.function.role_name();
        self.take_back("DeleteRole", async || {
            let aws = Aws::from_config()?;
            let found = there(aws.iam().get_role(&name).await)?;
            if found.is_none_or(|it| !self.is_marked(it.description.as_deref())) {
                return Ok(());
            }
            there(aws.iam().detach_role_policy(&name, &logging_policy(&aws)).await)?;
            there(aws.iam().delete_role(&name).await).map(drop)
        })
        .await
    }

    fn is_marked(&self, description: Option<&str>) -> bool {
        description == Some(&*self.mark)
    }

    /// Makes the role, or finds that an execution of this step whose answer was lost has made it.
    async fn create_marked_role(&self) -> Result<String, Error> {
        let (aws, name) = (Aws::from_config()?, self.function.role_name());
        let role = CreateRole {
            role_name: &name,
            assume_role_policy_document: TRUST_POLICY,
            description: Some(&self.mark),
        };
        let created = match aws.iam().create_role(&role).await {
            Err(before) if before.code == "EntityAlreadyExists" => seen(aws.iam().get_role(&name).await)?,
            ended => ended?,
        };
        match self.is_marked(created.description.as_deref()) {
            true => Ok(created.arn),
            false => Err(somebody_elses("role", &name, &created.arn)),
        }
    }

    /// Makes the function, or finds that an execution of this step whose answer was lost has made it.
    async fn create_marked_function(&self, role: &str) -> Result<String, Error> {
        let (aws, function) = (Aws::from_config()?, &self.function);
        let zip_file = zipped(&function.code)?;
        let wanted = CreateFunction {
            function_name: &function.function_name,
            runtime: RUNTIME,
            role,
            handler: HANDLER,
            code: FunctionCode { zip_file: &zip_file },
            memory_size: Some(function.memory()),
            timeout: Some(function.timeout()),
            description: Some(&self.mark),
        };
        let created = match aws.lambda().create_function(&wanted).await {
            Err(before) if before.code == "ResourceConflictException" => {
                seen(aws.lambda().get_function_configuration(&function.function_name).await)?
            }
            Err(early)
                if early.code == "InvalidParameterValueException" && early.message.contains("assumed") =>
            {
                return Err(Error::retryable(early.to_string()));
            }
            ended => ended?,
        };
        match self.is_marked(created.description.as_deref()) {
            true => Ok(created.function_arn),
            false => Err(somebody_elses("function", &function.function_name, &created.function_arn)),
        }
    }
}

fn somebody_elses(what: &str, name: &str, arn: &str) -> Error {
    let text = format!("AWS has a {what} '{name}' that was not made here ({arn}); choose another name");
    TerminalError::new(text).with_code(409).into()
}

/// What an update can change of a function.
#[derive(Serialize, Deserialize)]
struct Revision {
    /// The hash of the code.
    code: Option<String>,
    /// Memory and timeout.
    settings: (Option<u32>, Option<u32>),
}

fn settings(function: &Function) -> (u32, u32) {
    (function.memory(), function.timeout())
}

/// The ARNs of those of these functions that AWS has, by name.
pub(crate) async fn arns(names: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let aws = Aws::from_config()?;
    let mut arns = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = aws.lambda().list_functions(marker.as_deref()).await?;
        let wanted = page.functions.into_iter().filter(|it| names.contains(&it.function_name));
        arns.extend(wanted.map(|it| (it.function_name, it.function_arn)));
        match page.next_marker.filter(|next| !next.is_empty() && marker.as_ref() != Some(next)) {
            Some(next) => marker = Some(next),
            None => return Ok(arns),
        }
    }
}

async fn update_code(function: &Function) -> Result<(), Error> {
    let zip_file = zipped(&function.code)?;
    let code = FunctionCode { zip_file: &zip_file };
    when_free(Aws::from_config()?.lambda().update_function_code(&function.function_name, code).await)
        .map(drop)
}

async fn update_configuration(function: &Function) -> Result<(), Error> {
    let (memory_size, timeout) = settings(function);
    let change = UpdateFunctionConfiguration {
        memory_size: Some(memory_size),
        timeout: Some(timeout),
        ..UpdateFunctionConfiguration::default()
    };
    let aws = Aws::from_config()?;
    when_free(aws.lambda().update_function_configuration(&function.function_name, &change).await).map(drop)
}

/// What is there; nothing, if AWS says that it is not.
fn there<T>(answer: Result<T, AwsError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(gone) if matches!(gone.code.as_str(), "NoSuchEntity" | "ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is there for sure, and is waited for while AWS does not know it everywhere.
fn seen<T>(answer: Result<T, AwsError>) -> Result<T, Error> {
    let early = answer.as_ref().err().map(|error| Error::retryable(error.to_string()));
    there(answer)?.ok_or_else(|| early.expect("what is not there is an error"))
}

/// A change that is refused while another one is under way passes when that one is done.
fn when_free<T>(answer: Result<T, AwsError>) -> Result<T, Error> {
    match answer {
        Err(busy) if busy.code == "ResourceConflictException" => Err(Error::retryable(busy.to_string())),
        ended => Ok(ended?),
    }
}

fn logging_policy(aws: &Aws) -> String {
    format!("arn:{}:iam::aws:{LOGGING_POLICY}", aws.partition())
}

fn eventually() -> RetryPolicy {
    RetryPolicy::exponential(Duration::from_millis(200), 1.5)
        .max_interval(Duration::from_secs(5))
        .max_duration(CONSISTENT_WITHIN)
}
