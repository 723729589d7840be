#include "services/gossip/shell.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "quorate-config.h"

#define CLOCK_EVERY (10 * NSEC_PER_SEC) /* wall clock, dht's estimate */

/* ---- Actions ---- */

static void do_nothing(struct shell *s, struct gossip_action *a) {
}

/* Durable before anything after it: the core put what depends on it behind. A disk
 * that fails ends the process: a deny list that does not hold would be a lie. */
static void do_store(struct shell *s, struct gossip_action *a) {
        int r = state_file_write(s->state, refbuf_bytes(a->data));

        s->n_state_writes++;
        if (r < 0)
                loop_exit(s->loop, r);
}

static void do_event(struct shell *s, struct gossip_action *a) {
        char peer[PEER_ID_TEXT_SIZE];
        struct log_fields fields = { .peer = peer_id_text(&a->event.peer, peer) };

        log_with(a->event.is_warning ? LOG_WARNING : LOG_INFO, &fields, "%s %s%s%s", a->event.name,
                 a->event.text ? a->event.text : "", peer[0] ? " peer " : "", peer);
}

static const shell_action_fn do_action[_GOSSIP_ACTION_N] = {
        [GOSSIP_NONE] = do_nothing,
        [GOSSIP_STREAM_OPEN] = shell_do_stream_open,
        [GOSSIP_STREAM_CLOSE] = shell_do_stream_close,
        [GOSSIP_SEND] = shell_do_send,
        [GOSSIP_ASK] = shell_do_ask,
        [GOSSIP_ANSWER] = shell_do_answer,
        [GOSSIP_REFUSE] = shell_do_refuse,
        [GOSSIP_LOOKUP] = shell_do_lookup,
        [GOSSIP_HINT] = shell_do_hint,
        [GOSSIP_CONNECT] = shell_do_connect,
        [GOSSIP_KEEP] = shell_do_keep,
        [GOSSIP_SIGN_MESSAGE] = shell_do_sign_message,
        [GOSSIP_SIGN_CAPABILITY] = shell_do_sign_capability,
        [GOSSIP_BLOCK] = shell_do_block,
        [GOSSIP_DENY] = shell_do_deny,
        [GOSSIP_STORE] = do_store,
        [GOSSIP_DRAWN] = shell_do_drawn,
        [GOSSIP_CRAWLED] = shell_do_crawled,
        [GOSSIP_EVENT] = do_event,
};

/* An action may tell the core something at once; what that wants is carried out by
 * the round under way. */
void shell_turn(struct shell *s) {
        struct gossip_action a;

        if (s->is_turning || !s->core)
                return;
        s->is_turning = true;
        while (gossip_output(s->core, &a)) {
                s->n_actions++;
                do_action[a.type](s, &a);
                gossip_action_done(&a);
        }
        s->is_turning = false;
        (void) loop_timer_set(s->timer, gossip_deadline(s->core));
}

static int on_timer(void *userdata) {
        struct shell *s = userdata;

        gossip_expire(s->core, shell_now(s));
        shell_turn(s);
        return 0;
}

static uint64_t wall_ns(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * NSEC_PER_SEC + (uint64_t) t.tv_nsec;
}

static int on_clock(void *userdata) {
        struct shell *s = userdata;

        gossip_clock(s->core, shell_now(s), wall_ns());
        shell_ask_size(s);
        shell_turn(s);
        return loop_timer_set(s->clock, nsec_add(shell_now(s), CLOCK_EVERY));
}

/* ---- Life ---- */

static int start_timers(struct shell *s) {
        int r = loop_add_timer(s->loop, on_timer, s, &s->timer);

        if (!r)
                r = loop_add_timer(s->loop, on_clock, s, &s->clock);
        return r;
}

int shell_check(const struct service_context *ctx) {
        const struct gossip_options *config = ctx->config;

        return network_check(&config->network, NULL, ctx->config_path);
}

/* Nodes of other networks call their protocols otherwise. */
static int start_network(struct shell *s) {
        int r;

        s->network = xnew(struct network);
        r = network_load(&s->config->network, NULL, s->network);
        if (r)
                return r;
        network_wipe(s->network); /* only its fingerprint is needed here */
        (void) network_protocol(s->network, "/peers/1", s->peers_protocol);
        return 0;
}

static int start_core(struct shell *s) {
        CLEANUP(refbuf_unrefp) struct refbuf *stored = NULL;
        struct gossip_config config;
        uint64_t seed;
        int r;

        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        r = state_file_new(s->ctx->state, &s->state);
        if (!r)
                r = state_file_read(s->state, &stored);
        if (r)
                return r;
        gossip_options_apply(s->config, s->network, &config);
        config.version = QUORATE_VERSION;
        s->core = gossip_new(&config, &s->self, seed);
        gossip_clock(s->core, shell_now(s), wall_ns());
        if (stored && !gossip_restore(s->core, refbuf_bytes(stored), shell_now(s))) {
                log_error("gossip.db in %s holds something else than the deny list; move it away",
                          s->ctx->state);
                return service_refuse();
        }
        return 0;
}

static int start_going(struct shell *s) {
        int r;

        gossip_start(s->core, shell_now(s));
        r = on_clock(s);
        streams_denying(s->streams); /* all that was restored has been carried out */
        return r;
}

/* Who we are and what we know first; only then those who ask. */
static int (*const starts[])(struct shell *s) = {
        start_network,   start_timers,      shell_keyring_start, start_core,
        shell_dht_start, shell_peers_start, shell_serve,         start_going,
};

int shell_start(struct service_context *ctx, void **ret) {
        struct shell *s = xnew(struct shell);
        int r = 0;

        s->ctx = ctx;
        s->loop = ctx->loop;
        s->config = ctx->config;
        s->outbound = map_new(1);
        list_init(&s->inbound);
        s->calls = map_new(2);
        s->denying = map_new(3);
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
        monitor_free(s->monitor);
        shell_serve_stop(s);
        shell_peers_stop(s);
        shell_nodes_stop(s);
        s->core = gossip_free(s->core);
        state_file_free(s->state);
        loop_source_free(s->timer);
        loop_source_free(s->clock);
        map_free(s->outbound);
        map_free(s->calls);
        map_free(s->denying);
        free(s->network);
        free(s);
        return NULL;
}
