/* Meeting points: a node of a network with a secret is a client of the public DHT as well, there
 * and nowhere else, and finds its own network by names that only the secret tells (meeting.h). It
 * is a second core with its own link to transport; it serves nothing and keeps nothing on the disk.
 */

#include <errno.h>
#include <sys/random.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "services/dht/meeting.h"
#include "services/dht/record.h"
#include "services/dht/shell_parts.h"
#include "services/dht/store_memory.h"

#define TICK        (10 * NSEC_PER_SEC)
#define RECORDS_MAX 1024
#define BYTES_MAX   (UINT64_C(1) << 20)

struct shell_meeting {
        struct shell *home, away; /* away: how the public DHT sees us */
        struct meeting meeting;
        struct loop_source *tick;
        bool has_met;
};

static const char *const public_protocols[_DHT_PROTOCOL_N] = {
        [DHT_PROTOCOL_KAD] = "/quorate/kad/1.0.0",
        [DHT_PROTOCOL_RECORD] = "/quorate/record/1",
};

/* ---- members ---- */

/* Whoever knows the secret wrote this: worth a dial. Whether it speaks our network's protocols
 * shows then, as with any other. */
static void on_member(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct shell_meeting *sm = userdata;
        struct multiaddr addresses[RECORD_ADDRESSES_MAX];
        char peer[PEER_ID_TEXT_SIZE];
        struct record_parts parts;
        struct contact c;
        size_t n;

        if (record_split(r->value, &parts) != RECORD_OK ||
            peer_id_equal(&parts.fields.publisher, &sm->home->self) ||
            !endpoint_payload_read(parts.fields.payload, addresses, &n) || n == 0)
                return;
        if (!sm->has_met)
                log_info("met %s of this network in the public DHT",
                         peer_id_text(&parts.fields.publisher, peer));
        sm->has_met = true;
        meeting_met(&sm->meeting);
        contact_init(&c, &parts.fields.publisher, addresses, n);
        dht_bootstrap(sm->home->core, &c, BOOTSTRAP_PERSON, shell_now(sm->home));
        contact_done(&c);
}

static void on_looked(void *userdata, const struct keeper_result *r, nsec_t now) {
}

static void on_announced(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct shell_meeting *sm = userdata;

        if (r->code != KEEPER_OK)
                meeting_failed(&sm->meeting);
}

/* ---- work ---- */

static bool put_name(struct buffer *b, const char *label) {
        const struct peer_id nobody = {};

        return record_name_put(b, RECORD_TOPIC, &nobody, BYTES_STR(label));
}

static void announce(struct shell_meeting *sm, const char *label) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct shell *away = &sm->away;

        buffer_init(&b, RECORD_PAYLOAD_MAX);
        for (size_t i = 0; i < away->n_own; i++)
                buffer_put_prefixed(&b, multiaddr_bytes(&away->own[i]));
        keeper_put(away->keeper,
                   &(struct keeper_record){ .kind = RECORD_TOPIC,
                                            .label = BYTES_STR(label),
                                            .payload = buffer_bytes(&b),
                                            .ttl_s = MEETING_TTL_S },
                   &(struct keeper_call){ .done = on_announced, .userdata = sm }, shell_now(away));
}

static void withdraw(struct shell_meeting *sm, const char *label) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        if (put_name(&name, label))
                dht_unput(sm->away.core, 0, buffer_bytes(&name), shell_now(&sm->away));
}

static void look(struct shell_meeting *sm, const char *label) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        if (put_name(&name, label))
                keeper_find(sm->away.keeper, buffer_bytes(&name),
                            &(struct keeper_call){ on_looked, on_member, sm },
                            shell_now(&sm->away));
}

static void work(struct shell_meeting *sm) {
        struct shell *away = &sm->away;
        struct dht_status status;
        struct meeting_work w;

        dht_status(away->core, &status);
        if (status.size > 0)
                keeper_region(away->keeper, 20 / status.size);
        if (!status.is_bootstrapped || status.peers == 0 || away->n_own == 0)
                return;
        if (!away->is_located)
                meeting_failed(&sm->meeting); /* our addresses changed */
        away->is_located = true;
        meeting_work(&sm->meeting, shell_now(away), shell_wall_us(), &w);
        if (w.withdraws)
                withdraw(sm, w.withdrawn);
        if (w.announces)
                announce(sm, w.announced);
        for (int i = 0; w.looks && i < MEETING_HOURS; i++)
                look(sm, w.asked[i]);
}

static int on_tick(void *userdata) {
        struct shell_meeting *sm = userdata;

        dht_clock(sm->away.core, shell_now(&sm->away), shell_wall_us());
        work(sm);
        shell_turn(&sm->away);
        shell_turn(sm->home);
        return loop_timer_set(sm->tick,
                              nsec_add(shell_now(&sm->away), TICK / (sm->has_met ? 1 : 5)));
}

/* ---- life ---- */

static int start_core(struct shell_meeting *sm) {
        const struct dht_options *o = sm->home->config;
        const struct store_limits limits = { RECORDS_MAX, BYTES_MAX, RECORDS_MAX };
        struct shell *away = &sm->away;
        struct keeper_config keeper;
        struct dht_config config;
        struct store_limits unused;
        uint64_t seed[2];

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        dht_options_apply(o, sm->home->network, &config, &unused);
        config.mode = DHT_MODE_CLIENT;
        config.records_max = RECORDS_MAX;
        config.bytes_max = BYTES_MAX;
        keeper_config_default(&keeper);
        keeper.rules.network = NETWORK_DEFAULT;
        away->store = store_memory_new(&limits, seed[0]);
        away->core = dht_new(&config, &away->self, &away->store, seed[0]);
        away->keeper = keeper_new(&keeper, away->core, &away->self, seed[1]);
        dht_clock(away->core, shell_now(away), shell_wall_us());
        return 0;
}

static void begin_at_points(struct shell_meeting *sm) {
        const struct dht_options *o = sm->home->config;
        struct contact c;

        for (size_t i = 0; dht_options_contact(&o->meet, i, &c); i++) {
                dht_bootstrap(sm->away.core, &c, BOOTSTRAP_CONFIG, shell_now(&sm->away));
                contact_done(&c);
        }
}

int shell_meeting_start(struct shell *s) {
        struct shell_meeting *sm;
        struct shell *away;
        uint64_t seed; /* peers choose their ids, and with it would choose where they fall */
        int r;

        if (!s->has_meeting_secret)
                return 0;
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        s->meeting = sm = xnew(struct shell_meeting);
        sm->home = s;
        meeting_init(&sm->meeting, s->meeting_secret);
        away = &sm->away;
        away->ctx = s->ctx;
        away->loop = s->loop;
        away->config = s->config;
        away->self = s->self;
        away->keyring_rpc = s->keyring_rpc;
        list_init(&away->gatherings);
        away->calls = map_new(1);
        away->remotes = map_new(seed);
        for (size_t i = 0; i < _DHT_PROTOCOL_N; i++)
                (void) snprintf(away->protocols[i], sizeof(away->protocols[i]), "%s",
                                public_protocols[i]);
        r = shell_add_timer(away);
        if (!r)
                r = start_core(sm);
        if (!r)
                r = shell_peers_start(away);
        if (!r)
                r = loop_add_timer(s->loop, on_tick, sm, &sm->tick);
        if (r)
                return r;
        begin_at_points(sm);
        dht_start(away->core, shell_now(away));
        shell_turn(away);
        return on_tick(sm);
}

void shell_meeting_stop(struct shell *s) {
        struct shell_meeting *sm = s->meeting;
        struct shell *away;

        if (!sm)
                return;
        away = &sm->away;
        away->is_turning = true;
        loop_source_free(sm->tick);
        shell_peers_stop(away);
        away->core = dht_free(away->core);
        away->keeper = keeper_free(away->keeper);
        if (away->store.ops)
                store_memory_free(&away->store);
        loop_source_free(away->timer);
        map_free(away->calls);
        map_free(away->remotes);
        explicit_bzero(sm, sizeof(*sm));
        free(sm);
        s->meeting = NULL;
}
