//! `highwater group list`.

use std::io::Write;

use highwater_wire::messages::list_groups_response::ListedGroup;
use serde_json::json;

use crate::cli::table::Table;
use crate::cli::topic::Common;
use crate::client::{ClientError, Cluster, groups};

/// Groups whose state is one of `states`; all of them when none is named.
pub(super) fn run(states: &[String], common: &Common, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut cluster = Cluster::connect(&common.bootstrap)?;
    let wanted = |group: &ListedGroup| {
        states.is_empty() || states.iter().any(|state| state.eq_ignore_ascii_case(&group.group_state))
    };
    let mut table = Table::new(&["GROUP", "STATE", "TYPE", "PROTOCOL"]);
    for group in groups::list(&mut cluster)?.iter().filter(|group| wanted(group)) {
        let (id, state) = (group.group_id.as_str(), group.group_state.as_str());
        let (kind, protocol) = (group.group_type.as_str(), group.protocol_type.as_str());
        if common.json {
            let line = json!({"group": id, "state": state, "type": kind, "protocol_type": protocol});
            writeln!(out, "{line}")?;
        } else {
            table.row([id, state, kind, protocol].map(dash_for_empty).into());
        }
    }
    if common.json { Ok(()) } else { Ok(table.write(out)?) }
}

/// Old brokers do not tell everything, and groups of offsets only have no protocol.
fn dash_for_empty(cell: &str) -> String {
    if cell.is_empty() { "-".to_owned() } else { cell.to_owned() }
}
