//! IAM: roles and the policies that are attached to them.

use serde::Deserialize;

use crate::protocol::Nothing;
use crate::{Aws, AwsError, QueryService};

const IAM: QueryService = QueryService { name: "iam", version: "2010-05-08" };

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    pub role_name: String,
    pub role_id: String,
    pub arn: String,
    pub path: String,
    pub description: Option<String>,
}

/// A role to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateRole<'a> {
    pub role_name: &'a str,
    /// Who may assume it, as JSON.
    pub assume_role_policy_document: &'a str,
    pub description: Option<&'a str>,
}

#[derive(Deserialize)]
struct GetRoleResponse {
    #[serde(rename = "GetRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
struct CreateRoleResponse {
    #[serde(rename = "CreateRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
struct RoleResult {
    #[serde(rename = "Role")]
    role: Role,
}

/// IAM by its operations.
#[derive(Clone, Copy, Debug)]
pub struct Iam<'a>(&'a Aws);

impl Aws {
    /// Calls IAM.
    pub fn iam(&self) -> Iam<'_> {
        Iam(self)
    }
}

impl Iam<'_> {
    /// Reads a role; without one the code is `NoSuchEntity`.
    pub async fn get_role(self, role_name: &str) -> Result<Role, AwsError> {
        let response: GetRoleResponse = self.0.query(&IAM, "GetRole", &[("RoleName", role_name)]).await?;
        Ok(response.result.role)
    }

    /// Makes a role; if there is one of this name, the code is `EntityAlreadyExists`.
    pub async fn create_role(self, input: &CreateRole<'_>) -> Result<Role, AwsError> {
        let mut parameters = vec![
            ("RoleName", input.role_name),
            ("AssumeRolePolicyDocument", input.assume_role_policy_document),
        ];
        parameters.extend(input.description.map(|text| ("Description", text)));
        let response: CreateRoleResponse = self.0.query(&IAM, "CreateRole", &parameters).await?;
        Ok(response.result.role)
    }

    /// Attaches a policy; one that is attached stays so.
    pub async fn attach_role_policy(self, role_name: &str, policy_arn: &str) -> Result<(), AwsError> {
        let parameters = [("RoleName", role_name), ("PolicyArn", policy_arn)];
        self.0.query::<Nothing>(&IAM, "AttachRolePolicy", &parameters).await.map(drop)
    }

    /// Detaches a policy; if it is not attached, the code is `NoSuchEntity`.
    pub async fn detach_role_policy(self, role_name: &str, policy_arn: &str) -> Result<(), AwsError> {
        let parameters = [("RoleName", role_name), ("PolicyArn", policy_arn)];
        self.0.query::<Nothing>(&IAM, "DetachRolePolicy", &parameters).await.map(drop)
    }

    /// Deletes a role; without one the code is `NoSuchEntity`, with policies attached `DeleteConflict`.
    pub async fn delete_role(self, role_name: &str) -> Result<(), AwsError> {
        self.0.query::<Nothing>(&IAM, "DeleteRole", &[("RoleName", role_name)]).await.map(drop)
    }
}
