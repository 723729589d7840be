#pragma once

/* quorate peers --topic, --topic-secret: who takes part in something, as the DHT has it. */

#include "services/ctl/command.h"

struct peers_topic {
        const char *topic, *secret_file; /* either may be NULL */
        uint64_t max_peers;
        nsec_t timeout;
};
int peers_topic_show(const struct command_context *ctx, const struct peers_topic *what);
