//! The object `PackageTracker`: where a package is to go, and where it has been.

use holiday_sdk::{Error, ObjectContext, SharedContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

holiday_sdk::export!(PackageTracker);

/// The state with all that is known of the package.
const INFO: &str = "package-info";

/// Locations that are kept of a package; of more, the oldest are forgotten.
const LOCATIONS_MAX: usize = 1000;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PackageInfo {
    final_destination: String,
    /// In the order in which they were told.
    #[serde(default)]
    locations: Vec<LocationUpdate>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
        keep(ctx, info)
    }

    /// Adds where a package is now; 404 if it is not registered.
    #[handler(name = "UpdateLocation")]
    async fn update_location(ctx: ObjectContext, update: LocationUpdate) -> Result<(), Error> {
        let mut info = known(*ctx)?;
        info.locations.push(update);
        keep(ctx, info)
    }

    /// Tells all that is known of a package; 404 if it is not registered.
    #[handler(shared, name = "GetPackageInfo")]
    async fn get_package_info(ctx: SharedContext) -> Result<PackageInfo, Error> {
        Ok(known(ctx)?)
    }
}

/// Writes down what is known of the package now.
fn keep(ctx: ObjectContext, mut info: PackageInfo) -> Result<(), Error> {
    let surplus = info.locations.len().saturating_sub(LOCATIONS_MAX);
    info.locations.drain(..surplus);
    Ok(ctx.set(INFO, &info)?)
}

/// The package, if it is registered.
fn known(ctx: SharedContext) -> Result<PackageInfo, TerminalError> {
    ctx.get(INFO)?.ok_or_else(|| TerminalError::new("package not found").with_code(404))
}
