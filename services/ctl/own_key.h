#pragma once

/* A node whose own key was revoked goes on, but nobody listens to it any more: whoever asks it
 * for others is told so, with the remedy. */

#include "proto/gossip.pb-c.h"
#include "services/ctl/command.h"

#define OWN_KEY_REMEDY                                                                           \
        "others refuse this node for good: end it, move its seed away (STATE/keyring/seed) and " \
        "start it again, which makes another key"

/* One line on stderr when gossip says so; nothing when it does not answer. */
void own_key_warn(const struct command_context *ctx);
/* What that means for a rotation: others do not believe it. */
void own_key_warn_rotation(const struct command_context *ctx);
/* The same, by a status that is at hand already; NULL: none. */
void own_key_text(const Gossip__StatusReply *status);
