#include "services/dht/shell.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/streams/identity.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/keyring.pb-c.h"
#include "services/dht/shell_parts.h"

#define CLOCK_EVERY (10 * NSEC_PER_SEC)
#define CLOCK_FIRST NSEC_PER_SEC /* until our own records are out: letters need the profile */

/* ---- Actions ---- */

static void do_nothing(struct shell *s, struct dht_action *a) {
}

static void do_event(struct shell *s, struct dht_action *a) {
        char peer[PEER_ID_TEXT_SIZE];
        struct log_fields fields = { .peer = peer_id_text(&a->event.peer, peer) };

        log_with(a->event.is_warning ? LOG_WARNING : LOG_INFO, &fields, "%s %s%s%s", a->event.name,
                 a->event.text ? a->event.text : "", peer[0] ? " peer " : "", peer);
}

static const shell_action_fn do_action[_DHT_ACTION_N] = {
        [DHT_NONE] = do_nothing,        [DHT_ASK] = shell_do_ask,
        [DHT_FORGET] = shell_do_forget, [DHT_ANSWER] = shell_do_answer,
        [DHT_REFUSE] = shell_do_refuse, [DHT_CONNECT] = shell_do_connect,
        [DHT_SIGN] = shell_do_sign,     [DHT_SERVE] = shell_do_serve,
        [DHT_RESULT] = shell_do_result, [DHT_DONE] = shell_do_done,
        [DHT_EVENT] = do_event,
};

/* What the core wrote is committed before an answer leaves that rests on it: who was
 * told "stored" finds it after kill -9. A disk that fails ends the process, since the
 * core already counts on what was undone. */
static bool commit(struct shell *s) {
        if (!s->keys || !store_sqlite_is_dirty(&s->store)) /* no disk: shell_meeting.c */
                return true;
        s->n_commits++;
        if (store_sqlite_commit(&s->store) == STORE_OK)
                return true;
        log_error("dht.db in %s: %s; make room on the disk", s->ctx->state,
                  store_sqlite_error(&s->store));
        loop_exit(s->loop, -EIO);
        return false;
}

/* An action may tell the core something at once; what that wants is carried out by
 * the round under way. */
void shell_turn(struct shell *s) {
        struct dht_action a;

        if (s->is_turning || !s->core || !commit(s))
                return;
        s->is_turning = true;
        while (dht_output(s->core, &a)) {
                s->n_actions++;
                if (commit(s))
                        do_action[a.type](s, &a);
                dht_action_done(&a);
        }
        s->is_turning = false;
        (void) loop_timer_set(s->timer, dht_deadline(s->core));
}

static int on_timer(void *userdata) {
        struct shell *s = userdata;

        dht_expire(s->core, shell_now(s));
        shell_turn(s);
        return 0;
}

int64_t shell_wall_us(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- Our own records: where we are, and what letters to us are sealed for ---- */

void shell_moved(struct shell *s, const struct multiaddr *addrs, size_t n) {
        s->n_own = n < RECORD_ADDRESSES_MAX ? n : RECORD_ADDRESSES_MAX;
        memcpy(s->own, addrs, s->n_own * sizeof(*addrs));
        s->is_located = false;
        s->has_moved = true;
}

static void on_described(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct shell *s = userdata;

        s->is_describing = false;
        s->is_described = r->code == KEEPER_OK;
        if (!s->is_described)
                s->publish_at = nsec_add(now, CLOCK_EVERY);
}

static void on_located(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct shell *s = userdata;

        s->is_locating = false;
        s->is_located = r->code == KEEPER_OK && !s->has_moved;
        if (r->code != KEEPER_OK)
                s->publish_at = nsec_add(now, CLOCK_EVERY);
}

struct own_profile {
        const struct shell *shell;
        char name[RECORD_TEXT_MAX];
        size_t n;
};

/* The name a person gave outlives a restart. */
static bool see_profile(void *userdata, const struct stored_record *r) {
        struct own_profile *own = userdata;
        struct profile_payload profile;
        struct record_parts parts;

        if (r->kind != RECORD_PROFILE || record_split(r->value, &parts) != RECORD_OK ||
            !peer_id_equal(&parts.fields.publisher, &own->shell->self) ||
            !profile_payload_read(parts.fields.payload, &profile))
                return true;
        own->n = profile.name.len;
        if (own->n > 0) /* no name is no bytes, and nowhere */
                memcpy(own->name, profile.name.data, own->n);
        return false;
}

static void describe(struct shell *s) {
        struct own_profile own = { .shell = s };
        struct profile_payload profile;
        CLEANUP(buffer_donep) struct buffer b = {};

        s->is_describing = true;
        (void) s->store.ops->own(s->store.self, see_profile, &own);
        profile.name = BYTES(own.name, own.n);
        memcpy(profile.x25519, s->x25519, sizeof(profile.x25519));
        buffer_init(&b, RECORD_PAYLOAD_MAX);
        profile_payload_put(&b, &profile);
        keeper_put(s->keeper,
                   &(struct keeper_record){ .kind = RECORD_PROFILE, .payload = buffer_bytes(&b) },
                   &(struct keeper_call){ .done = on_described, .userdata = s }, shell_now(s));
}

static void locate(struct shell *s) {
        CLEANUP(buffer_donep) struct buffer b = {};

        s->is_locating = true;
        s->has_moved = false;
        buffer_init(&b, RECORD_PAYLOAD_MAX);
        for (size_t i = 0; i < s->n_own; i++)
                buffer_put_prefixed(&b, multiaddr_bytes(&s->own[i]));
        keeper_put(s->keeper,
                   &(struct keeper_record){ .kind = RECORD_ENDPOINT, .payload = buffer_bytes(&b) },
                   &(struct keeper_call){ .done = on_located, .userdata = s }, shell_now(s));
}

static bool has_to_publish(const struct shell *s) {
        return !s->config->passive && (!s->is_described || (!s->is_located && s->n_own > 0));
}

/* Once somebody is there to keep them; what failed is tried again in a while. */
static void publish(struct shell *s, const struct dht_status *status) {
        if (!has_to_publish(s) || !status->is_bootstrapped || status->peers == 0 ||
            shell_now(s) < s->publish_at)
                return;
        if (!s->is_described && !s->is_describing)
                describe(s);
        if (!s->is_located && !s->is_locating && s->n_own > 0)
                locate(s);
}

static int on_clock(void *userdata) {
        struct shell *s = userdata;
        struct dht_status status;

        dht_clock(s->core, shell_now(s), shell_wall_us());
        dht_status(s->core, &status);
        if (status.size > 0)
                keeper_region(s->keeper, 20 / status.size);
        publish(s, &status);
        shell_places_tick(s, status.peers);
        shell_keys_tick(s);
        shell_turn(s);
        return loop_timer_set(
                s->clock, nsec_add(shell_now(s), has_to_publish(s) ? CLOCK_FIRST : CLOCK_EVERY));
}

/* ---- keyring ---- */

struct signing {
        struct shell *shell;
        uint64_t id;
};

static void on_signed(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct signing *g = userdata;
        struct shell *s = g->shell;
        const Keyring__SignedReply *in = result->message;

        if (!s->core)
                return;
        if (result->code == RPC_OK) {
                dht_signed(s->core, g->id, BYTES(in->statement.data, in->statement.len),
                           BYTES(in->signature.data, in->signature.len), shell_now(s));
        } else {
                log_warning("keyring did not sign a record: %s", result->text);
                (void) snprintf(s->refusal, sizeof(s->refusal), "%s", result->text);
                dht_sign_failed(s->core, g->id, shell_now(s));
        }
        shell_turn(s);
}

void shell_do_sign(struct shell *s, struct dht_action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct signing *g;

        if (wire_unpack(&keyring__sign_record_request__descriptor, refbuf_bytes(a->data), NULL,
                        &u)) {
                log_error("a record to be signed is malformed");
                dht_sign_failed(s->core, a->id, shell_now(s));
                return;
        }
        g = xnew(struct signing);
        g->shell = s;
        g->id = a->id;
        rpc_call(s->keyring_rpc, "SignRecord", u.message, 5 * NSEC_PER_SEC, on_signed, g);
}

static int start_keyring(struct shell *s) {
        struct own_identity self;
        int r = identity_learn(s->ctx, "keyring/dht", &keyring__dht__descriptor,
                               s->config->keyring_wait, &self, &s->keyring);

        if (r)
                return r;
        s->self = self.peer;
        memcpy(s->x25519, self.x25519, sizeof(s->x25519));
        s->keyring_rpc = rpc_client_new(seqpacket_link(s->keyring), &keyring__dht__descriptor);
        return identity_watch_new(s->ctx, "keyring/dht", &keyring__dht__descriptor, &s->self,
                                  &s->identity);
}

/* ---- Life ---- */

int shell_add_timer(struct shell *s) {
        return loop_add_timer(s->loop, on_timer, s, &s->timer);
}

static int start_timers(struct shell *s) {
        int r = shell_add_timer(s);

        if (!r)
                r = loop_add_timer(s->loop, on_clock, s, &s->clock);
        return r;
}

static int start_store(struct shell *s, const struct store_limits *limits) {
        CLEANUP(freep) char *path = xasprintf("%s/dht.db", s->ctx->state);
        char error[STORE_ERROR_SIZE];
        int r = store_sqlite_open(path, limits, &s->store, error);

        if (r == STORE_OPEN_OK)
                return 0;
        log_error("%s", error);
        return r == STORE_OPEN_E_BAD ? service_refuse() : error_origin(-EIO);
}

static void begin_where_told(struct shell *s) {
        struct contact c;

        for (size_t i = 0; dht_options_contact(&s->config->bootstrap, i, &c); i++) {
                dht_bootstrap(s->core, &c, BOOTSTRAP_CONFIG, shell_now(s));
                contact_done(&c);
        }
}

static int refuse_meeting_openly(void) {
        log_error("[dht] meet: only nodes that share a secret can meet: give [network] "
                  "secret-file, or name them in bootstrap");
        return service_refuse();
}

int shell_check(const struct service_context *ctx) {
        const struct dht_options *o = ctx->config;
        int r = network_check(&o->network, &o->bootstrap, ctx->config_path);

        if (r == 0)
                r = network_check(&o->network, &o->meet, ctx->config_path);
        if (r == 0 && o->meet.n_items > 0 && !o->network.secret_file[0])
                r = refuse_meeting_openly();
        return r;
}

/* Nodes of other networks call their protocols otherwise. */
static int start_network(struct shell *s) {
        int r;

        s->network = xnew(struct network);
        r = network_load(&s->config->network, &s->config->bootstrap, s->network);
        if (!r)
                r = network_load(&s->config->network, &s->config->meet, s->network);
        if (r)
                return r;
        if (s->network->has_secret && s->config->meet.n_items > 0) {
                memcpy(s->meeting_secret, s->network->secret, sizeof(s->meeting_secret));
                s->has_meeting_secret = true;
        } else if (s->config->meet.n_items > 0) {
                return refuse_meeting_openly();
        }
        network_wipe(s->network);
        (void) network_protocol(s->network, "/kad/1.0.0", s->protocols[DHT_PROTOCOL_KAD]);
        (void) network_protocol(s->network, "/record/1", s->protocols[DHT_PROTOCOL_RECORD]);
        return 0;
}

static int start_core(struct shell *s) {
        struct keeper_config keeper;
        struct store_limits limits;
        struct dht_config config;
        uint64_t seed[2];
        int r;

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        dht_options_apply(s->config, s->network, &config, &limits);
        r = start_store(s, &limits);
        if (r)
                return r;
        keeper_config_default(&keeper);
        keeper.rules.network = network_on_wire(s->network);
        keeper.quota.records_max = config.records_max;
        keeper.quota.bytes_max = config.bytes_max;
        s->core = dht_new(&config, &s->self, &s->store, seed[0]);
        s->keeper = keeper_new(&keeper, s->core, &s->self, seed[1]);
        shell_keys_start(s);
        dht_clock(s->core, shell_now(s), shell_wall_us());
        return 0;
}

static int start_going(struct shell *s) {
        int r;

        begin_where_told(s);
        dht_start(s->core, shell_now(s));
        r = shell_meeting_start(s);
        return r ? r : on_clock(s);
}

/* Who we are and what we know first; only then those who ask. */
static int (*const starts[])(struct shell *s) = {
        start_network,    start_timers,      start_keyring, start_core,
        shell_mdns_start, shell_peers_start, shell_serve,   start_going,
};

int shell_start(struct service_context *ctx, void **ret) {
        struct shell *s = xnew(struct shell);
        uint64_t seed = 0;
        int r = 0;

        s->ctx = ctx;
        s->loop = ctx->loop;
        s->config = ctx->config;
        list_init(&s->gatherings);
        s->calls = map_new(1);
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                r = error_origin(-EIO);
        s->remotes = map_new(seed); /* peers choose their ids */
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(starts); i++)
                r = starts[i](s);
        if (r == 0)
                r = monitor_new(ctx, &s->monitor);
        if (r) {
                shell_stop(ctx, s);
                return r;
        }
        shell_turn(s);
        *ret = s;
        return 0;
}

void *shell_stop(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        if (!s)
                return NULL;
        s->is_turning = true; /* nothing is carried out any more */
        if (s->core) {
                dht_stop(s->core, shell_now(s));
                (void) commit(s);
        }
        monitor_free(s->monitor);
        shell_meeting_stop(s);
        shell_serve_stop(s);
        shell_mdns_stop(s);
        shell_peers_stop(s);
        s->identity = identity_watch_free(s->identity);
        s->keyring_rpc = rpc_client_free(s->keyring_rpc);
        s->keyring = seqpacket_free(s->keyring);
        s->core = dht_free(s->core);
        shell_keys_stop(s);
        s->keeper = keeper_free(s->keeper);
        store_sqlite_close(&s->store);
        loop_source_free(s->timer);
        loop_source_free(s->clock);
        map_free(s->calls);
        map_free(s->remotes);
        free(s->network);
        free(s);
        return NULL;
}
