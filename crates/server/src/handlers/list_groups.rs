//! ListGroups v0–5. v4: by state (KIP-518); v5: by type (KIP-848). Filters do not tell cases apart, and a word that is none
//! finds nothing.

use std::sync::Arc;

use highwater_coordinator::GroupListing;
use highwater_wire::Str;
use highwater_wire::messages::list_groups_request::ListGroupsRequest;
use highwater_wire::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

use super::group::shared;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// The type of every group there is.
const CLASSIC: &str = "classic";

/// Lists groups, those too that only have offsets.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &ListGroupsRequest,
) -> ListGroupsResponse {
    let mut listed = Vec::new();
    if is_asked(&request.types_filter, CLASSIC) {
        broker.groups.for_each_shard(|groups| {
            listed.extend(groups.list().filter(|group| is_asked(&request.states_filter, group.state.name())));
        });
    }
    listed.sort_by(|left, right| left.group_id.cmp(&right.group_id));
    let may_see = |group: &GroupListing| {
        context.authorize(Operation::Describe, Resource::Group(&group.group_id)).is_ok()
    };
    let groups = listed.iter().filter(|group| may_see(group)).map(|group| ListedGroup {
        group_id: shared(&group.group_id),
        protocol_type: shared(&group.protocol_type),
        group_state: Str::from(if context.version >= 4 { group.state.name() } else { "" }),
        group_type: Str::from(if context.version >= 5 { CLASSIC } else { "" }),
    });
    ListGroupsResponse { groups: groups.collect(), ..ListGroupsResponse::default() }
}

/// Whether a filter lets a word through; an empty one lets all.
fn is_asked(filter: &[Str], word: &str) -> bool {
    filter.is_empty() || filter.iter().any(|asked| asked.as_str().eq_ignore_ascii_case(word))
}
