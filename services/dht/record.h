#pragma once

/* Names of records in the DHT: "/<namespace>/<rest>".
 *
 *   PEER        rest = peer id in base58btc         /profile/12D3Koo…
 *   PEER_LABEL  rest = peer id, '/', label          /name/12D3Koo…/sales
 *   LABEL       rest = label                        /topic/chess
 *   MULTIHASH   rest = binary peer id, as libp2p    /pk/…
 *
 * There is one name for one thing: what would be written differently is refused.
 * Labels are 1..128 bytes of UTF-8 without control characters. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/canonical/record.h"
#include "common/wire/peerid.h"

#define RECORD_NAME_MAX 256

enum record_name_form { NAME_PEER, NAME_PEER_LABEL, NAME_LABEL, NAME_MULTIHASH };

struct record_rule;

struct record_name {
        const struct record_rule *rule; /* its row of the table */
        struct peer_id peer;            /* none for LABEL */
        struct bytes label;             /* view; empty for PEER and MULTIHASH */
};

bool record_name_read(struct bytes name, struct record_name *ret);
/* Appends; false: the kind has no name, or peer or label do not fit it. */
bool record_name_put(struct buffer *b, enum record_kind kind, const struct peer_id *peer,
                     struct bytes label);
const char *record_kind_text(enum record_kind kind); /* for people; "" for none of the table */
