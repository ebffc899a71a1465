//! The object `PackageTracker`: where a package is to go, and where it has been.

use holiday_sdk::{Error, ObjectContext, SharedContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

holiday_sdk::export!(PackageTracker);

/// The state with all that is known of the package.
const INFO: &str = "package-info";

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PackageInfo {
    final_destination: String,
    /// In the order in which they were told.
    #[serde(default)]
    locations: Vec<LocationUpdate>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct LocationUpdate {
    location: String,
    timestamp: String,
}

struct PackageTracker;

/// Packages on their way; the key is the package's id.
#[holiday_sdk::object]
impl PackageTracker {
    /// Registers a package; one that is registered already begins anew.
    #[handler(name = "RegisterPackage")]
    async fn register_package(ctx: ObjectContext, info: PackageInfo) -> Result<(), Error> {
        Ok(ctx.set(INFO, &info)?)
    }

    /// Adds where a package is now; 404 if it is not registered.
    #[handler(name = "UpdateLocation")]
    async fn update_location(ctx: ObjectContext, update: LocationUpdate) -> Result<(), Error> {
        let mut info = known(*ctx)?;
        info.locations.push(update);
        Ok(ctx.set(INFO, &info)?)
    }

    /// Tells all that is known of a package; 404 if it is not registered.
    #[handler(shared, name = "GetPackageInfo")]
    async fn get_package_info(ctx: SharedContext) -> Result<PackageInfo, Error> {
        Ok(known(ctx)?)
    }
}

/// The package, if it is registered.
fn known(ctx: SharedContext) -> Result<PackageInfo, TerminalError> {
    ctx.get(INFO)?.ok_or_else(|| TerminalError::new("package not found").with_code(404))
}
