#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/coordinator/shell_actions.h"
#include "services/coordinator/shell_discovery.h"

/* The deny list of gossip: read whole whenever it is there (again), then followed. While
 * gossip is away the last one holds. */

static void say(const struct peer_id *peer, bool is_denied) {
        char text[PEER_ID_TEXT_SIZE];
        struct log_fields fields = { .peer = peer_id_text(peer, text) };

        log_with(LOG_NOTICE, &fields, "peer %s is %s", text,
                 is_denied ? "denied: it is neither asked nor served" : "no longer denied");
}

static void on_blocked(void *userdata, const void *message) {
        const Gossip__BlockedEvent *in = message;
        struct shell *s = userdata;
        struct peer_id peer;

        if (!s->core || !peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer))
                return;
        say(&peer, in->blocked);
        coordinator_deny(s->core, &peer, in->blocked, shell_now(s));
        shell_turn(s);
}

static void on_list(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;
        const Gossip__BlocklistReply *in = result->message;
        CLEANUP(freep) struct peer_id *list = NULL;
        size_t n = 0;

        if (!s->core || result->code == RPC_E_CANCELLED)
                return;
        if (result->code != RPC_OK) {
                s->discovery->wants_deny_list = true;
                return;
        }
        list = xnew_n(struct peer_id, in->n_peers + 1);
        for (size_t i = 0; i < in->n_peers; i++)
                n += peer_id_parse(BYTES(in->peers[i]->peer.data, in->peers[i]->peer.len),
                                   &list[n]);
        coordinator_deny_list(s->core, list, n, shell_now(s));
        shell_turn(s);
}

static void on_up(void *userdata) {
        struct shell *s = userdata;
        Types__Empty empty = TYPES__EMPTY__INIT;

        s->discovery->wants_deny_list = false;
        rpc_call(s->discovery->deny_rpc, "Blocklist", &empty, DISCOVERY_CALL_TIMEOUT, on_list, s);
}

void shell_deny_tick(struct shell *s) {
        if (s->discovery->wants_deny_list)
                on_up(s);
}

int shell_deny_start(struct shell *s) {
        struct discovery *d = s->discovery;
        int r = bus_connect(s->ctx, "gossip/reputation", NULL, &d->deny_bus);

        if (r)
                return log_fault(r, "cannot connect to gossip/reputation below %s",
                                 s->ctx->runtime);
        d->deny_rpc = rpc_client_new(bus_client_link(d->deny_bus), &gossip__reputation__descriptor);
        rpc_client_on_event(d->deny_rpc, "Blocked", &gossip__blocked_event__descriptor, on_blocked,
                            s);
        rpc_client_watch(d->deny_rpc, on_up, NULL, s);
        return 0;
}

void shell_deny_stop(struct shell *s) {
        s->discovery->deny_rpc = rpc_client_free(s->discovery->deny_rpc);
        bus_client_free(s->discovery->deny_bus);
}
