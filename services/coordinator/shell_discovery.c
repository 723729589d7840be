#include "services/coordinator/shell_discovery.h"

#include <errno.h>
#include <sys/random.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/descriptor.h"
#include "common/daemon/log.h"
#include "common/wire/unpack.h"
#include "proto/dht.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/coordinator/pool.h"
#include "services/coordinator/shell_actions.h"

#define OFFER_TTL       (45 * NSEC_PER_SEC) /* gossip keeps a record that long */
#define CONNECTED_TTL   (10 * NSEC_PER_SEC) /* transport is asked each second */
#define FOUND_TTL       (90 * NSEC_PER_SEC)
#define DRAW_BUSY       (2 * NSEC_PER_SEC) /* while own jobs run */
#define DRAW_IDLE       (10 * NSEC_PER_SEC)
#define DRAW_FIRST      NSEC_PER_SEC /* while few are known */
#define LOOK_IDLE       (60 * NSEC_PER_SEC)
#define IDLE_AFTER      (60 * NSEC_PER_SEC) /* then draws cost nobody else anything */
#define YOUNG           (60 * NSEC_PER_SEC)
#define ABSENT_AFTER    (5 * NSEC_PER_SEC)
#define FEW             8
#define LOOK_COUNT      8
#define LOOK_TAKEN      2
#define LOOK_TIMEOUT_MS 3000
#define HISTORY_MAX     8

/* ---- To the core ---- */

static void publish(struct shell *s) {
        CLEANUP(freep) struct candidate *list = xnew_n(struct candidate, CANDIDATES_MAX);
        size_t n = pool_list(s->discovery->pool, shell_now(s), list), kept = 0;

        for (size_t i = 0; i < n; i++)
                if (!coordinator_is_denied(s->core, &list[i].peer))
                        list[kept++] = list[i];
        s->gauges.candidates = kept;
        coordinator_candidates(s->core, list, kept, shell_now(s));
}

static void add(struct shell *s, const struct candidate *c, nsec_t until) {
        if (!peer_id_equal(&c->peer, &s->self))
                (void) pool_add(s->discovery->pool, c, until, shell_now(s));
}

/* ---- Connected ones ---- */

static bool serves_jobs(const struct shell *s, const Transport__Peer *p) {
        for (size_t i = 0; i < p->n_protocols; i++)
                if (strcmp(p->protocols[i], s->job_protocol) == 0)
                        return true;
        return false;
}

static void add_connected(struct shell *s, const Transport__Peer *p) {
        struct candidate c = { .origin = ORIGIN_CONNECTED };

        if (!serves_jobs(s, p) || !peer_id_parse(BYTES(p->peer.data, p->peer.len), &c.peer))
                return;
        if (!multiaddr_from_text(BYTES_STR(p->address), &c.addresses[0]))
                c.n_addresses = 1;
        add(s, &c, nsec_add(shell_now(s), CONNECTED_TTL));
}

/* Jobs from before a restart go on when there is somebody to ask; without
 * transport, when the call to it has timed out. */
static void start_core(struct shell *s) {
        if (s->is_started)
                return;
        s->is_started = true;
        coordinator_start(s->core, shell_now(s));
}

static void on_peers(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;
        const Transport__ListReply *in = result->message;

        if (!s->core)
                return;
        if (result->code == RPC_OK) {
                pool_drop(s->discovery->pool, ORIGIN_CONNECTED);
                for (size_t i = 0; i < in->n_peers; i++)
                        add_connected(s, in->peers[i]);
        }
        publish(s);
        start_core(s);
        shell_turn(s);
}

/* ---- gossip ---- */

static size_t take_addresses(const ProtobufCBinaryData *list, size_t n, struct candidate *ret) {
        for (size_t i = 0; i < n && ret->n_addresses < CANDIDATE_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(list[i].data, list[i].len),
                                    &ret->addresses[ret->n_addresses]) == MULTIADDR_OK)
                        ret->n_addresses++;
        return ret->n_addresses;
}

static void take_engine(const char *class, struct candidate_claims *ret) {
        if (strlen(class) < ENGINE_TEXT_SIZE)
                (void) strcpy(ret->engines[ret->n_engines++], class);
}

static void take_claims(const Gossip__HostOffer *in, struct candidate_claims *ret) {
        ret->is_known = true;
        ret->free_slots = in->free_slots;
        ret->memory = in->slots ? in->memory / in->slots : 0;
        for (size_t i = 0; i < in->n_engines && ret->n_engines < CANDIDATE_ENGINES_MAX; i++)
                take_engine(in->engines[i], ret);
        for (size_t i = 0; i < in->n_data_classes; i++)
                ret->data_classes |= 1u << data_class_of(BYTES_STR(in->data_classes[i]));
}

/* The operator certificate is not taken over: unverified, it would split voters. */
bool discovery_candidate(const Gossip__Candidate *in, nsec_t now, struct candidate *ret,
                         nsec_t *ret_until) {
        nsec_t age =
                in->age_ms < OFFER_TTL / NSEC_PER_MSEC ? in->age_ms * NSEC_PER_MSEC : OFFER_TTL;

        *ret = (struct candidate){ .origin = ORIGIN_GOSSIP };
        *ret_until = nsec_add(now, OFFER_TTL - age);
        if (!in->offer || in->offer->slots == 0 || age == OFFER_TTL ||
            !peer_id_parse(BYTES(in->peer.data, in->peer.len), &ret->peer))
                return false;
        (void) take_addresses(in->addresses, in->n_addresses, ret);
        take_claims(in->offer, &ret->claims);
        return true;
}

static void add_drawn(struct shell *s, const Gossip__DrawReply *in) {
        struct candidate c;
        nsec_t until;

        for (size_t i = 0; i < in->n_candidates; i++)
                if (discovery_candidate(in->candidates[i], shell_now(s), &c, &until))
                        add(s, &c, until);
}

static void on_drawn(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;

        s->discovery->is_drawing = false;
        if (!s->core || result->code != RPC_OK)
                return;
        add_drawn(s, result->message);
        publish(s);
        shell_turn(s);
}

static bool is_few(const struct shell *s) {
        const struct discovery *d = s->discovery;

        return shell_now(s) < nsec_add(d->started, YOUNG) &&
               pool_count(d->pool, ORIGIN_GOSSIP, shell_now(s)) < FEW;
}

static bool is_idle(const struct shell *s) {
        return !s->discovery->job_at || shell_now(s) > nsec_add(s->discovery->job_at, IDLE_AFTER);
}

/* Each engine once, whatever its builds: which of them others run is to be learned. */
static size_t list_names(struct shell *s, char names[][ENGINE_TEXT_SIZE], char **ret, size_t max) {
        const char *classes[16];
        size_t n_classes = shell_engines(s, classes, ELEMENTSOF(classes)), n = 0;

        for (size_t i = 0; i < n_classes && n < max; i++) {
                struct bytes name = engine_name(classes[i]);

                if (name.len >= ENGINE_TEXT_SIZE)
                        continue;
                memcpy(names[n], name.data, name.len);
                names[n][name.len] = 0;
                ret[n] = names[n];
                if (n == 0 || !engine_is_wanted(names[n], ret, n))
                        n++;
        }
        return n;
}

/* A pool that is warm: for hosts of our own engines, free or not. */
static void draw(struct shell *s) {
        Gossip__DrawRequest request = GOSSIP__DRAW_REQUEST__INIT;
        struct discovery *d = s->discovery;
        char names[CANDIDATE_ENGINES_MAX][ENGINE_TEXT_SIZE], *engines[CANDIDATE_ENGINES_MAX];
        uint32_t own, served;

        coordinator_busy(s->core, &own, &served);
        if (s->gauges.jobs_own > 0 || own > 0)
                d->job_at = shell_now(s);
        request.engines = engines;
        request.n_engines = list_names(s, names, engines, ELEMENTSOF(engines));
        request.region = s->config->query_region;
        request.count = CANDIDATES_PER_JOB;
        request.local = is_idle(s) && !is_few(s);
        d->is_drawing = true;
        d->draw_at = nsec_add(shell_now(s), s->gauges.jobs_own > 0 ? DRAW_BUSY
                                            : is_few(s)            ? DRAW_FIRST
                                                                   : DRAW_IDLE);
        s->counters.draws++;
        rpc_call(d->gossip_rpc, "Draw", &request, DISCOVERY_CALL_TIMEOUT, on_drawn, s);
}

static void on_gossip_up(void *userdata) {
        struct shell *s = userdata;
        struct discovery *d = s->discovery;

        d->has_gossip = true;
        d->draw_at = 0;
        if (d->has_said_absent)
                log_notice("gossip is there: it is asked for hosts");
        d->has_said_absent = false;
        coordinator_discovery(s->core, true);
        shell_offer_again(s);
}

static void on_gossip_down(void *userdata) {
        struct shell *s = userdata;

        s->discovery->has_gossip = false;
        coordinator_discovery(s->core, false);
}

/* ---- A job wants more ---- */

struct finding {
        struct shell *shell;
        uint64_t id;
        struct unpacked request;
        struct found found;
        bool is_last;
};

static void on_found(void *userdata, const struct rpc_result *result);

static void find_free(struct finding *f) {
        unpacked_done(&f->request);
        free(f);
}

static void ask(struct finding *f) {
        rpc_call(f->shell->discovery->gossip_rpc, "Draw", f->request.message,
                 DISCOVERY_CALL_TIMEOUT, on_found, f);
}

/* Those with a free slot first; hosts that are full make promises too. */
static void on_found(void *userdata, const struct rpc_result *result) {
        struct finding *f = userdata;
        struct shell *s = f->shell;
        const Gossip__DrawReply *in = result->message;
        Gossip__DrawRequest *request = f->request.message;

        if (!s->core || result->code == RPC_E_CANCELLED) {
                find_free(f);
                return;
        }
        if (result->code == RPC_OK) {
                add_drawn(s, in);
                f->found = (struct found){ in->known, in->unusable };
                if (found_leaves_full(&f->found, in->n_candidates, request->count) && !f->is_last) {
                        request->min_slots = 0;
                        f->is_last = true;
                        ask(f);
                        return;
                }
        }
        publish(s);
        coordinator_found(s->core, f->id, &f->found, shell_now(s));
        find_free(f);
        shell_turn(s);
}

void shell_do_find(struct shell *s, struct action *a) {
        struct finding *f = xnew(struct finding);

        s->discovery->job_at = shell_now(s);
        f->shell = s;
        f->id = a->id;
        check(!wire_unpack(&gossip__draw_request__descriptor, refbuf_bytes(a->data), NULL,
                           &f->request));
        s->counters.draws++;
        ask(f);
}

/* ---- The DHT: hosts that gossip did not choose ---- */

static bool take_contact(struct shell *s, const Dht__Contact *in, enum candidate_origin origin) {
        struct candidate c = { .origin = origin };

        if (in->hint || !peer_id_parse(BYTES(in->peer.data, in->peer.len), &c.peer) ||
            take_addresses(in->addresses, in->n_addresses, &c) == 0 ||
            peer_id_equal(&c.peer, &s->self))
                return false;
        add(s, &c, nsec_add(shell_now(s), FOUND_TTL));
        return true;
}

/* Those closest to a random key, some of them by lot. Nobody chooses the key for us, and
 * each answered the look-up itself. */
static void on_closest(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;
        const Dht__FindClosestReply *in = result->message;
        unsigned taken = 0;

        s->discovery->is_looking = false;
        if (!s->core || result->code != RPC_OK || in->n_contacts == 0)
                return;
        for (size_t i = 0, at = rng_below(&s->discovery->rng, in->n_contacts);
             i < in->n_contacts && taken < LOOK_TAKEN; i++, at++)
                taken += take_contact(s, in->contacts[at % in->n_contacts], ORIGIN_DHT);
        publish(s);
        shell_turn(s);
}

static void on_peer_found(void *userdata, const struct rpc_result *result) {
        struct shell *s = userdata;
        const Dht__FindPeerReply *in = result->message;

        if (s->core && result->code == RPC_OK && in->contact)
                (void) take_contact(s, in->contact, ORIGIN_HISTORY);
}

/* Hosts that were right before. Where one is now, the DHT is asked: one at a time. */
static void remember_history(struct shell *s) {
        Dht__FindPeerRequest request = DHT__FIND_PEER_REQUEST__INIT;
        struct discovery *d = s->discovery;
        struct peer_id known[HISTORY_MAX];
        size_t n = coordinator_history(s->core, known, HISTORY_MAX);
        bool has_asked = !d->has_dht;

        for (size_t i = 0; i < n; i++) {
                struct candidate c = { .peer = known[i], .origin = ORIGIN_HISTORY }, is;

                add(s, &c, nsec_add(shell_now(s), FOUND_TTL));
                if (has_asked || !pool_find(d->pool, &c.peer, shell_now(s), &is) ||
                    is.n_addresses > 0)
                        continue;
                request.peer = (ProtobufCBinaryData){ known[i].len, known[i].bytes };
                request.timeout_ms = LOOK_TIMEOUT_MS;
                rpc_call(d->dht_rpc, "FindPeer", &request, DISCOVERY_CALL_TIMEOUT, on_peer_found,
                         s);
                has_asked = true;
        }
}

static void look(struct shell *s) {
        Dht__FindClosestRequest request = DHT__FIND_CLOSEST_REQUEST__INIT;
        struct discovery *d = s->discovery;
        bool is_quick = !is_idle(s) || (shell_now(s) < nsec_add(d->started, YOUNG) &&
                                        !pool_count(d->pool, ORIGIN_DHT, shell_now(s)));
        uint8_t key[32];

        d->look_at = nsec_add(shell_now(s), is_quick ? DRAW_BUSY : LOOK_IDLE);
        if (getrandom(key, sizeof(key), 0) != sizeof(key))
                return;
        request.key = (ProtobufCBinaryData){ sizeof(key), key };
        request.count = LOOK_COUNT;
        request.timeout_ms = LOOK_TIMEOUT_MS;
        d->is_looking = true;
        s->counters.look_ups++;
        rpc_call(d->dht_rpc, "FindClosest", &request, DISCOVERY_CALL_TIMEOUT, on_closest, s);
}

static void on_dht_up(void *userdata) {
        struct shell *s = userdata;

        s->discovery->has_dht = true;
        s->discovery->look_at = 0;
}

static void on_dht_down(void *userdata) {
        struct shell *s = userdata;

        s->discovery->has_dht = false;
}

/* ---- Time ---- */

static void say_absent(struct shell *s) {
        struct discovery *d = s->discovery;

        if (d->has_gossip || d->has_said_absent ||
            shell_now(s) < nsec_add(d->started, ABSENT_AFTER))
                return;
        d->has_said_absent = true;
        log_notice("gossip does not answer below %s: hosts are peers of [query] and those that "
                   "are connected",
                   s->ctx->runtime);
}

void shell_candidates(struct shell *s) {
        Transport__ListRequest request = TRANSPORT__LIST_REQUEST__INIT;
        struct discovery *d = s->discovery;

        if (s->peers_rpc)
                rpc_call(s->peers_rpc, "List", &request, DISCOVERY_CALL_TIMEOUT, on_peers, s);
        if (!d->gossip_rpc)
                return;
        say_absent(s);
        if (d->has_gossip && !d->is_drawing && shell_now(s) >= d->draw_at)
                draw(s);
        if (shell_now(s) >= d->look_at && !d->is_looking) {
                remember_history(s);
                d->look_at = nsec_add(shell_now(s), LOOK_IDLE);
                if (d->has_dht)
                        look(s);
        }
        shell_offer_tick(s);
        shell_deny_tick(s);
}

/* ---- For people ---- */

bool shell_candidate_of(struct shell *s, const struct peer_id *peer, struct candidate *ret) {
        return pool_find(s->discovery->pool, peer, shell_now(s), ret);
}

/* ---- Life ---- */

static int connect_to(struct shell *s, const char *name, const ProtobufCServiceDescriptor *service,
                      struct bus_client **ret_bus, struct rpc_client **ret_rpc) {
        int r = bus_connect(s->ctx, name, NULL, ret_bus);

        if (r)
                return log_fault(r, "cannot connect to %s below %s", name, s->ctx->runtime);
        *ret_rpc = rpc_client_new(bus_client_link(*ret_bus), service);
        return 0;
}

static void add_pinned(struct shell *s) {
        CLEANUP(freep) struct candidate *list = xnew_n(struct candidate, CANDIDATES_MAX);
        size_t n = coordinator_config_peers(s->config, list, CANDIDATES_MAX);

        for (size_t i = 0; i < n; i++)
                add(s, &list[i], NSEC_NEVER);
}

int shell_discovery_start(struct shell *s) {
        struct discovery *d = s->discovery = xnew(struct discovery);
        uint64_t seed[2];
        int r;

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        rng_init(&d->rng, seed[0]);
        d->pool = pool_new(seed[1]);
        d->started = shell_now(s);
        add_pinned(s);
        r = connect_to(s, "gossip/candidates", &gossip__candidates__descriptor, &d->gossip_bus,
                       &d->gossip_rpc);
        if (!r)
                r = connect_to(s, "dht/lookup", &dht__lookup__descriptor, &d->dht_bus, &d->dht_rpc);
        if (!r)
                r = shell_offer_start(s);
        if (!r)
                r = shell_deny_start(s);
        if (r)
                return r;
        rpc_client_watch(d->gossip_rpc, on_gossip_up, on_gossip_down, s);
        rpc_client_watch(d->dht_rpc, on_dht_up, on_dht_down, s);
        return 0;
}

void shell_discovery_stop(struct shell *s) {
        struct discovery *d = s->discovery;

        if (!d)
                return;
        shell_offer_stop(s);
        shell_deny_stop(s);
        d->gossip_rpc = rpc_client_free(d->gossip_rpc);
        d->dht_rpc = rpc_client_free(d->dht_rpc);
        bus_client_free(d->gossip_bus);
        bus_client_free(d->dht_bus);
        pool_free(d->pool);
        free(d);
        s->discovery = NULL;
}
