#include "services/ctl/own_key.h"

#include "services/ctl/discovery.h"

static bool is_revoked(const struct command_context *ctx) {
        struct call_target target = discovery_candidates;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        char why[256];

        target.timeout = NSEC_PER_SEC; /* what was asked for is shown already */
        return ctl_try(ctx, &target, "Status", &empty, &u, why) == 0 &&
               ((const Gossip__StatusReply *) u.message)->revoked;
}

void own_key_warn(const struct command_context *ctx) {
        if (!is_revoked(ctx))
                return;
        fflush(stdout);
        fprintf(stderr, "quorate: warning: this node's key is revoked; " OWN_KEY_REMEDY "\n");
}

void own_key_warn_rotation(const struct command_context *ctx) {
        if (is_revoked(ctx))
                fprintf(stderr, "quorate: warning: this node's key is revoked, so others will not "
                                "take a rotation for its owner's word: tell them the new peer id "
                                "yourself\n");
}

void own_key_text(const Gossip__StatusReply *status) {
        if (status && status->revoked)
                puts("revoked      this node's key; " OWN_KEY_REMEDY);
}
