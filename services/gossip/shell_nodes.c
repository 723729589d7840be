#include "services/gossip/shell.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/streams/identity.h"
#include "proto/dht.pb-c.h"
#include "proto/keyring.pb-c.h"
#include "services/gossip/core.h"

/* The node's other services: keyring signs, dht finds. */

#define SIGN_TIMEOUT   (5 * NSEC_PER_SEC)
#define LOOKUP_TIMEOUT (5 * NSEC_PER_SEC)
#define SIZE_EVERY     (30 * NSEC_PER_SEC)
#define FOUND_MAX      32

struct waiting {
        struct shell *shell;
        uint64_t id;
};

static struct waiting *waiting_new(struct shell *s, uint64_t id) {
        struct waiting *w = xnew(struct waiting);

        w->shell = s;
        w->id = id;
        return w;
}

/* ---- keyring ---- */

static void on_signed(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct waiting *w = userdata;
        struct shell *s = w->shell;
        const Keyring__SignPackedReply *in = result->message;

        if (!s->core)
                return;
        if (result->code == RPC_OK) {
                gossip_signed(s->core, w->id, BYTES_NONE,
                              BYTES(in->signature.data, in->signature.len), shell_now(s));
        } else {
                if (result->code != RPC_E_CANCELLED)
                        log_warning("keyring did not sign what we would say: %s", result->text);
                gossip_sign_failed(s->core, w->id, shell_now(s));
        }
        shell_turn(s);
}

void shell_do_sign_message(struct shell *s, struct gossip_action *a) {
        Keyring__SignPackedRequest request = KEYRING__SIGN_PACKED_REQUEST__INIT;

        request.message = (ProtobufCBinaryData){ a->data->len, a->data->data };
        rpc_call(s->keyring_rpc, "SignMessage", &request, SIGN_TIMEOUT, on_signed,
                 waiting_new(s, a->id));
}

void shell_do_sign_capability(struct shell *s, struct gossip_action *a) {
        Keyring__SignPackedRequest request = KEYRING__SIGN_PACKED_REQUEST__INIT;

        request.message = (ProtobufCBinaryData){ a->data->len, a->data->data };
        rpc_call(s->keyring_rpc, "SignCapability", &request, SIGN_TIMEOUT, on_signed,
                 waiting_new(s, a->id));
}

int shell_keyring_start(struct shell *s) {
        struct own_identity self;
        int r = identity_learn(s->ctx, "keyring/gossip", &keyring__gossip__descriptor,
                               s->config->keyring_wait, &self, &s->keyring);

        if (r)
                return r;
        s->self = self.peer;
        s->keyring_rpc = rpc_client_new(seqpacket_link(s->keyring), &keyring__gossip__descriptor);
        return identity_watch_new(s->ctx, "keyring/gossip", &keyring__gossip__descriptor, &s->self,
                                  &s->identity);
}

/* ---- dht ---- */

static void take_contact(const Dht__Contact *in, struct gossip_contact *ret) {
        *ret = (struct gossip_contact){};
        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &ret->peer))
                return;
        for (size_t i = 0; i < in->n_addresses && ret->n_addresses < GOSSIP_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len),
                                    &ret->addresses[ret->n_addresses]) == MULTIADDR_OK)
                        ret->n_addresses++;
}

static void on_found(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct gossip_contact *list = xnew_n(struct gossip_contact, FOUND_MAX);
        CLEANUP(freep) struct waiting *w = userdata;
        const Dht__FindClosestReply *in = result->message;
        size_t n = 0;

        if (!w->shell->core)
                return;
        for (size_t i = 0; result->code == RPC_OK && i < in->n_contacts && n < FOUND_MAX; i++) {
                take_contact(in->contacts[i], &list[n]);
                n += !peer_id_is_none(&list[n].peer);
        }
        gossip_found(w->shell->core, w->id, list, n, shell_now(w->shell));
        shell_turn(w->shell);
}

void shell_do_lookup(struct shell *s, struct gossip_action *a) {
        Dht__FindClosestRequest request = DHT__FIND_CLOSEST_REQUEST__INIT;

        request.key = (ProtobufCBinaryData){ sizeof(a->key), a->key };
        request.count = (uint32_t) a->n;
        request.local = a->local;
        request.timeout_ms = LOOKUP_TIMEOUT / NSEC_PER_MSEC;
        rpc_call(s->dht_rpc, "FindClosest", &request, LOOKUP_TIMEOUT + NSEC_PER_SEC, on_found,
                 waiting_new(s, a->id));
}

/* What a crawl found is a hint for dht: transport remembers the address, and tells dht
 * when that peer has really answered. */
void shell_do_hint(struct shell *s, struct gossip_action *a) {
        shell_do_connect(s, a);
}

static void on_size(void *userdata, const struct rpc_result *result) {
        const Dht__StatusReply *in = result->message;
        struct shell *s = userdata;

        if (!s->core || result->code != RPC_OK)
                return;
        gossip_size(s->core, in->size, shell_now(s));
        shell_turn(s);
}

void shell_ask_size(struct shell *s) {
        const Types__Empty nothing = TYPES__EMPTY__INIT;

        if (shell_now(s) < s->next_size)
                return;
        s->next_size = nsec_add(shell_now(s), SIZE_EVERY);
        rpc_call(s->dht_rpc, "Status", &nothing, LOOKUP_TIMEOUT, on_size, s);
}

static void on_denied(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;

        s->n_dht_denials--;
        if (result->code == RPC_E_CANCELLED)
                return;
        if (result->code != RPC_OK && result->code != RPC_E_GONE)
                log_warning("dht still shows who is blocked, and what they published: %s; "
                            "it is told again when it starts",
                            result->text);
        shell_denied(s);
}

/* All of them: dht goes by its last list until then, and need not know what it missed. */
static void tell_denied(struct shell *s) {
        CLEANUP(freep) struct gossip_blocked *list = NULL;
        CLEANUP(freep) ProtobufCBinaryData *peers = NULL;
        Dht__DenyRequest request = DHT__DENY_REQUEST__INIT;
        size_t n;

        if (!s->is_dht_up)
                return;
        list = xnew_n(struct gossip_blocked, DENIED_MAX);
        peers = xnew_n(ProtobufCBinaryData, DENIED_MAX);
        n = gossip_blocklist(s->core, list, DENIED_MAX);
        for (size_t i = 0; i < n; i++)
                peers[i] = (ProtobufCBinaryData){ list[i].peer.len, list[i].peer.bytes };
        request.peers = peers;
        request.n_peers = n;
        s->n_dht_denials++;
        rpc_call(s->dht_rpc, "Deny", &request, RPC_WHILE_UP, on_denied, s);
}

void shell_do_deny(struct shell *s, struct gossip_action *a) {
        tell_denied(s);
}

static void on_dht_up(void *userdata) {
        struct shell *s = userdata;

        s->is_dht_up = true;
        tell_denied(s);
}

static void on_dht_down(void *userdata) {
        ((struct shell *) userdata)->is_dht_up = false;
}

/* dht has been shown a revocation. It is looked at here again: dht could be anybody's by now. */
static void on_revoked(void *userdata, const void *message) {
        const Dht__RevokedEvent *in = message;
        struct shell *s = userdata;

        if (!s->core)
                return;
        (void) gossip_revoked(s->core, BYTES(in->value.data, in->value.len), shell_now(s));
        shell_turn(s);
}

int shell_dht_start(struct shell *s) {
        int r = bus_connect(s->ctx, "dht/lookup", NULL, &s->dht_bus);

        if (r)
                return log_fault(r, "cannot connect to dht below %s", s->ctx->runtime);
        s->dht_rpc = rpc_client_new(bus_client_link(s->dht_bus), &dht__lookup__descriptor);
        rpc_client_on_event(s->dht_rpc, "Revoked", &dht__revoked_event__descriptor, on_revoked, s);
        rpc_client_watch(s->dht_rpc, on_dht_up, on_dht_down, s);
        return 0;
}

void shell_nodes_stop(struct shell *s) {
        s->dht_rpc = rpc_client_free(s->dht_rpc);
        s->dht_bus = bus_client_free(s->dht_bus);
        s->identity = identity_watch_free(s->identity);
        s->keyring_rpc = rpc_client_free(s->keyring_rpc);
        s->keyring = seqpacket_free(s->keyring);
}
