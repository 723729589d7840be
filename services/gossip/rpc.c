/* The services of gossip: protobuf on one side, struct gossip on the other. One
 * function per rpc. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/wire/unpack.h"
#include "services/gossip/core.h"
#include "services/gossip/shell.h"

#define PEERS_MAX 512 /* of one reply: a message of the bus is at most 1 MiB */
#define CRAWL_MAX 2000
#define DEPTH_MAX 1000

static struct shell *shell_of(void *service) {
        return ((struct candidates_service *) service)->shell;
}

static void *keep(struct call *call, const void *p, size_t n) {
        void *copy = call_alloc(call, n > 0 ? n : 1);

        if (n > 0)
                memcpy(copy, p, n);
        return copy;
}

static ProtobufCBinaryData keep_bytes(struct call *call, struct bytes v) {
        return (ProtobufCBinaryData){ v.len, keep(call, v.data, v.len) };
}

static char *keep_text(struct call *call, struct bytes v) {
        char *copy = call_alloc(call, v.len + 1);

        if (v.len > 0)
                memcpy(copy, v.data, v.len);
        copy[v.len] = '\0';
        return copy;
}

static uint64_t pend(struct shell *s, struct call *call) {
        uint64_t id = ++s->next_call;

        (void) map_set_u64(s->calls, id, call);
        return id;
}

/* ---- What is offered ---- */

static const char *const data_class_names[] = { "public", "internal", "sensitive" };

static uint32_t data_class_bit(const char *name) {
        for (unsigned i = 0; i < ELEMENTSOF(data_class_names); i++)
                if (strcmp(name, data_class_names[i]) == 0)
                        return 1u << i;
        return 0;
}

static void put_texts(struct call *call, const struct bytes *list, size_t n, char ***ret,
                      size_t *ret_n) {
        *ret = call_alloc(call, (n + 1) * sizeof(**ret));
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = keep_text(call, list[i]);
        *ret_n = n;
}

static void put_offer(struct call *call, const struct capability *c, Gossip__HostOffer *ret) {
        char **classes = call_alloc(call, ELEMENTSOF(data_class_names) * sizeof(*classes));

        gossip__host_offer__init(ret);
        put_texts(call, c->engines, c->n_engines, &ret->engines, &ret->n_engines);
        put_texts(call, c->groups, c->n_groups, &ret->groups, &ret->n_groups);
        ret->cores = c->cores;
        ret->memory = (uint64_t) c->memory_mib << 20;
        ret->slots = c->slots;
        ret->free_slots = c->free_slots;
        ret->data_classes = classes;
        for (unsigned i = 0; i < ELEMENTSOF(data_class_names); i++)
                if (c->data_classes >> i & 1)
                        classes[ret->n_data_classes++] = (char *) data_class_names[i];
        ret->region = keep_text(call, c->region);
        ret->price = c->price;
        ret->attestation = c->attestation;
        ret->operator_certificate = keep_bytes(call, c->operator_certificate);
        ret->name = keep_text(call, c->name);
        ret->datasets = c->datasets;
}

static void put_addresses(struct call *call, const struct bytes *list, size_t n,
                          ProtobufCBinaryData **ret, size_t *ret_n) {
        *ret = call_alloc(call, (n + 1) * sizeof(**ret));
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = keep_bytes(call, list[i]);
        *ret_n = n;
}

/* ---- Draw ---- */

static void candidates_draw(Gossip__Candidates_Service *service, const Gossip__DrawRequest *in,
                            Gossip__DrawReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        struct bytes engines[CAPABILITY_ENGINES_MAX];
        struct gossip_draw draw = { .filter = { .engines = engines } };

        if (in->count > GOSSIP_DRAW_MAX) {
                call_fail(call, GOSSIP_E_FIELD, "at most %d candidates at once", GOSSIP_DRAW_MAX);
                return;
        }
        for (size_t i = 0; i < in->n_engines && i < CAPABILITY_ENGINES_MAX; i++)
                engines[draw.filter.n_engines++] = BYTES_STR(in->engines[i]);
        draw.filter.data_class = data_class_bit(in->data_class);
        draw.filter.group = BYTES_STR(in->group);
        draw.filter.region = BYTES_STR(in->region);
        draw.filter.min_free_slots = in->min_slots;
        draw.filter.min_memory_mib = (uint32_t) (in->min_memory >> 20);
        draw.count = in->count;
        draw.timeout = in->timeout_ms * NSEC_PER_MSEC;
        draw.local = in->local;
        gossip_draw(s->core, pend(s, call), &draw, shell_now(s));
        shell_turn(s);
}

/* What the coordinator gets it dials. */
static void put_dialable(struct shell *s, struct call *call, const struct capability *c,
                         Gossip__Candidate *ret) {
        struct multiaddr list[CAPABILITY_ADDRESSES_MAX];
        struct bytes views[CAPABILITY_ADDRESSES_MAX];
        size_t n = gossip_addresses_of(s->core, c, list, CAPABILITY_ADDRESSES_MAX);

        for (size_t i = 0; i < n; i++)
                views[i] = multiaddr_bytes(&list[i]);
        put_addresses(call, views, n, &ret->addresses, &ret->n_addresses);
}

static Gossip__Candidate *put_candidate(struct shell *s, struct call *call,
                                        const struct gossip_candidate *c) {
        Gossip__Candidate *out = call_alloc(call, sizeof(*out));
        struct capability r;

        gossip__candidate__init(out);
        if (capability_read(refbuf_bytes(c->record), &r))
                return out;
        out->peer = keep_bytes(call, peer_id_bytes(&r.peer));
        put_dialable(s, call, &r, out);
        out->offer = call_alloc(call, sizeof(*out->offer));
        put_offer(call, &r, out->offer);
        out->age_ms = c->age / NSEC_PER_MSEC;
        out->origin = c->from_sample ? (char *) "sample" : (char *) "gossip";
        out->record = keep_bytes(call, refbuf_bytes(c->record));
        capability_done(&r);
        return out;
}

void shell_do_drawn(struct shell *s, struct gossip_action *a) {
        struct call *call = map_remove_u64(s->calls, a->id);
        Gossip__DrawReply reply = GOSSIP__DRAW_REPLY__INIT;

        if (!call)
                return;
        reply.candidates = call_alloc(call, (a->drawn->n + 1) * sizeof(*reply.candidates));
        for (size_t i = 0; i < a->drawn->n; i++)
                reply.candidates[reply.n_candidates++] = put_candidate(s, call, &a->drawn->list[i]);
        reply.asked = (uint32_t) a->drawn->asked;
        reply.known = (uint32_t) a->drawn->known;
        reply.unusable = (uint32_t) a->drawn->unusable;
        call_reply(call, &reply);
}

/* ---- Offer ---- */

static void candidates_offer(Gossip__Candidates_Service *service, const Gossip__HostOffer *in,
                             Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        Peers__Capability c = PEERS__CAPABILITY__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        const Types__Empty reply = TYPES__EMPTY__INIT;

        c.engines = in->engines;
        c.n_engines =
                in->n_engines < CAPABILITY_ENGINES_MAX ? in->n_engines : CAPABILITY_ENGINES_MAX;
        c.cores = in->cores;
        c.memory_mib = (uint32_t) (in->memory >> 20);
        c.slots = in->paused ? 0 : in->slots;
        c.free_slots = in->paused ? 0 : in->free_slots;
        for (size_t i = 0; i < in->n_data_classes; i++)
                c.data_classes |= data_class_bit(in->data_classes[i]);
        c.groups = in->groups;
        c.n_groups = in->n_groups < CAPABILITY_GROUPS_MAX ? in->n_groups : CAPABILITY_GROUPS_MAX;
        c.region = in->region;
        c.price = in->price;
        c.attestation = in->attestation;
        c.operator_certificate = in->operator_certificate;
        c.name = in->name[0] ? in->name : s->config->name;
        c.datasets = in->datasets;
        buffer_init(&b, 8192);
        wire_pack(&b, &c.base);
        if (b.failed) {
                call_fail(call, GOSSIP_E_FIELD, "an offer is at most 512 bytes");
                return;
        }
        gossip_offer(s->core, buffer_bytes(&b), shell_now(s));
        call_reply(call, &reply);
        shell_turn(s);
}

/* ---- Peers ---- */

static Gossip__Presence *put_presence(struct shell *s, struct call *call,
                                      const struct capability *c, nsec_t age) {
        Gossip__Presence *out = call_alloc(call, sizeof(*out));

        gossip__presence__init(out);
        out->peer = keep_bytes(call, peer_id_bytes(&c->peer));
        out->name = keep_text(call, c->name);
        out->version = keep_text(call, c->version);
        out->datasets = c->datasets;
        out->age_ms = age / NSEC_PER_MSEC;
        put_addresses(call, c->addresses, c->n_addresses, &out->addresses, &out->n_addresses);
        put_texts(call, c->engines, c->n_engines, &out->engines, &out->n_engines);
        out->verified = gossip_knows(s->core, &c->peer);
        return out;
}

static void candidates_peers(Gossip__Candidates_Service *service, const Gossip__PeersRequest *in,
                             Gossip__PeersReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(freep) struct offer_view *views = xnew_n(struct offer_view, PEERS_MAX);
        Gossip__PeersReply reply = GOSSIP__PEERS_REPLY__INIT;
        size_t max = in->max > 0 && in->max < PEERS_MAX ? in->max : PEERS_MAX, n;
        struct shell *s = shell_of(service);
        struct peer_id after;
        bool has_after = peer_id_parse(BYTES(in->after.data, in->after.len), &after);

        n = gossip_presence(s->core, has_after ? &after : NULL, shell_now(s), views, max);
        reply.peers = call_alloc(call, (n + 1) * sizeof(*reply.peers));
        for (size_t i = 0; i < n; i++)
                reply.peers[reply.n_peers++] = put_presence(s, call, views[i].record, views[i].age);
        reply.truncated = n == max;
        call_reply(call, &reply);
}

/* ---- Crawl ---- */

static bool take_seed(const char *text, struct gossip_contact *ret) {
        struct multiaddr a;

        *ret = (struct gossip_contact){};
        if (peer_id_from_text(BYTES_STR(text), &ret->peer))
                return true;
        if (multiaddr_from_config(BYTES_STR(text), &a) || !multiaddr_peer(&a, &ret->peer))
                return false;
        multiaddr_strip_peer(&a);
        ret->addresses[ret->n_addresses++] = a;
        return true;
}

static void candidates_crawl(Gossip__Candidates_Service *service, const Gossip__CrawlRequest *in,
                             Gossip__CrawlReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(freep) struct gossip_contact *from = xnew_n(struct gossip_contact, in->n_from + 1);
        struct gossip_crawl crawl = { .from = from, .n_from = in->n_from };
        struct shell *s = shell_of(service);

        for (size_t i = 0; i < in->n_from; i++)
                if (!take_seed(in->from[i], &from[i])) {
                        call_fail(
                                call, GOSSIP_E_PEER,
                                "begin at a peer id, peerid@host:port, or a multiaddr with /p2p/");
                        return;
                }
        if (in->depth > DEPTH_MAX || in->max_peers > CRAWL_MAX) {
                call_fail(call, GOSSIP_E_FIELD, "at most --depth %d and --max-peers %d", DEPTH_MAX,
                          CRAWL_MAX);
                return;
        }
        crawl.depth = in->depth;
        crawl.peers_max = in->max_peers;
        crawl.timeout = in->timeout_ms * NSEC_PER_MSEC;
        crawl.discover = in->discover;
        gossip_crawl(s->core, pend(s, call), &crawl, shell_now(s));
        shell_turn(s);
}

static Gossip__Presence *put_sighting(struct shell *s, struct call *call,
                                      const struct gossip_sighting *g) {
        struct capability c = {};
        Gossip__Presence *out;

        if (g->record && capability_read(refbuf_bytes(g->record), &c) == CAPABILITY_OK) {
                out = put_presence(s, call, &c, g->age);
                capability_done(&c);
        } else {
                out = call_alloc(call, sizeof(*out));
                gossip__presence__init(out);
                out->peer = keep_bytes(call, peer_id_bytes(&g->contact.peer));
                out->addresses = call_alloc(call, GOSSIP_ADDRESSES_MAX * sizeof(*out->addresses));
                for (size_t i = 0; i < g->contact.n_addresses; i++)
                        out->addresses[out->n_addresses++] =
                                keep_bytes(call, multiaddr_bytes(&g->contact.addresses[i]));
                out->age_ms = g->age == NSEC_NEVER ? 0 : g->age / NSEC_PER_MSEC;
        }
        out->verified = g->is_verified;
        out->via = keep_bytes(call, peer_id_bytes(&g->via));
        out->depth = g->depth;
        return out;
}

void shell_do_crawled(struct shell *s, struct gossip_action *a) {
        struct call *call = map_remove_u64(s->calls, a->id);
        Gossip__CrawlReply reply = GOSSIP__CRAWL_REPLY__INIT;

        if (!call)
                return;
        reply.peers = call_alloc(call, (a->crawled->n + 1) * sizeof(*reply.peers));
        for (size_t i = 0; i < a->crawled->n; i++)
                reply.peers[reply.n_peers++] = put_sighting(s, call, &a->crawled->list[i]);
        reply.asked = (uint32_t) a->crawled->asked;
        reply.failed = (uint32_t) a->crawled->failed;
        reply.capped = a->crawled->capped;
        reply.timed_out = a->crawled->timed_out;
        call_reply(call, &reply);
}

/* ---- Status ---- */

static void put_metric(struct call *call, const char *name, uint64_t value,
                       Gossip__StatusReply *reply) {
        Types__Metric *m = call_alloc(call, sizeof(*m));

        types__metric__init(m);
        m->name = (char *) name;
        m->value = (double) value;
        reply->metrics[reply->n_metrics++] = m;
}

static void put_metrics(struct shell *s, struct call *call, Gossip__StatusReply *reply) {
        const struct pubsub_counter *own, *router;
        size_t n_own = gossip_counters(s->core, &own);
        size_t n_router = pubsub_counters(gossip_router(s->core), &router);
        struct streams_counter streams[STREAMS_COUNTERS];

        streams_counters(s->streams, streams);
        reply->metrics =
                call_alloc(call, (n_own + n_router + STREAMS_COUNTERS) * sizeof(*reply->metrics));
        for (size_t i = 0; i < n_own; i++)
                put_metric(call, own[i].name, own[i].value, reply);
        for (size_t i = 0; i < n_router; i++)
                put_metric(call, router[i].name, router[i].value, reply);
        for (size_t i = 0; i < STREAMS_COUNTERS; i++)
                put_metric(call, streams[i].name, streams[i].value, reply);
}

static void candidates_status(Gossip__Candidates_Service *service, const Types__Empty *in,
                              Gossip__StatusReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Gossip__StatusReply reply = GOSSIP__STATUS_REPLY__INIT;
        struct shell *s = shell_of(service);
        struct gossip_status status;

        gossip_status(s->core, &status);
        reply.peers = (uint32_t) status.peers;
        reply.mesh = (uint32_t) status.mesh;
        reply.shard = (char *) status.shard;
        reply.bits = status.bits;
        reply.offers = (uint32_t) status.offers;
        reply.revoked = status.is_revoked;
        reply.presences = (uint32_t) status.offers;
        put_metrics(s, call, &reply);
        call_reply(call, &reply);
}

const Gossip__Candidates_Service gossip_candidates_service = GOSSIP__CANDIDATES__INIT(candidates_);

/* ---- Reputation ---- */

static struct shell *shell_of_reputation(void *service) {
        return ((struct reputation_service *) service)->shell;
}

static bool is_denying(const struct shell *s) {
        return streams_is_denying(s->streams) && s->n_dht_denials == 0;
}

/* Answered once transport has it on its disk, so that no restart lets that peer in, even if all of
 * this node is killed now; and dht shows nothing of it. Who of the two is not there is told when it
 * comes. */
static void reply_denied(struct shell *s, struct call *call) {
        const Types__Empty reply = TYPES__EMPTY__INIT;

        shell_turn(s); /* on our disk first */
        if (is_denying(s))
                call_reply(call, &reply);
        else
                (void) map_set_u64(s->denying, ++s->next_call, call);
}

void shell_denied(struct shell *s) {
        const Types__Empty reply = TYPES__EMPTY__INIT;
        struct map *denying = s->denying;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        if (!is_denying(s))
                return;
        s->denying = map_new(1);
        while (map_next(denying, &cursor, &key, &value))
                call_reply(value, &reply);
        map_free(denying);
}

static void reputation_block(Gossip__Reputation_Service *service, const Gossip__BlockRequest *in,
                             Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of_reputation(service);
        nsec_t until = NSEC_NEVER;
        struct peer_id peer;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer) ||
            peer_id_equal(&peer, &s->self)) {
                call_fail(call, GOSSIP_E_PEER, "not the peer id of another node");
                return;
        }
        if (in->for_ms > 0)
                until = nsec_add(shell_now(s), in->for_ms * NSEC_PER_MSEC);
        if (!gossip_block(s->core, &peer, in->reason, until, shell_now(s))) {
                call_fail(call, GOSSIP_E_FULL,
                          "the deny list is full (%d); unblock somebody, or refuse addresses with "
                          "a firewall",
                          DENIED_MAX);
                return;
        }
        reply_denied(s, call);
}

static void reputation_unblock(Gossip__Reputation_Service *service, const Gossip__BlockRequest *in,
                               Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of_reputation(service);
        struct peer_id peer;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer)) {
                call_fail(call, GOSSIP_E_PEER, "not a peer id");
                return;
        }
        if (!gossip_unblock(s->core, &peer, shell_now(s))) {
                call_fail(call, GOSSIP_E_NONE, "that peer is not blocked; see `quorate blocklist`");
                return;
        }
        reply_denied(s, call);
}

static void reputation_blocklist(Gossip__Reputation_Service *service, const Types__Empty *in,
                                 Gossip__BlocklistReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(freep) struct gossip_blocked *list = xnew_n(struct gossip_blocked, DENIED_MAX);
        Gossip__BlocklistReply reply = GOSSIP__BLOCKLIST_REPLY__INIT;
        struct shell *s = shell_of_reputation(service);
        size_t n = gossip_blocklist(s->core, list, DENIED_MAX);
        nsec_t now = shell_now(s);

        reply.peers = call_alloc(call, (n + 1) * sizeof(*reply.peers));
        for (size_t i = 0; i < n; i++) {
                Gossip__Blocked *b = call_alloc(call, sizeof(*b));

                gossip__blocked__init(b);
                b->peer = keep_bytes(call, peer_id_bytes(&list[i].peer));
                b->reason = keep_text(call, BYTES_STR(list[i].reason));
                b->since_ms = nsec_sub(now, list[i].since) / NSEC_PER_MSEC;
                b->left_ms = list[i].until == NSEC_NEVER
                                     ? 0
                                     : nsec_sub(list[i].until, now) / NSEC_PER_MSEC;
                reply.peers[reply.n_peers++] = b;
        }
        call_reply(call, &reply);
}

const Gossip__Reputation_Service gossip_reputation_service = GOSSIP__REPUTATION__INIT(reputation_);

/* ---- Followers: coordinators must know at once ---- */

struct follower {
        struct list link;
        struct link *bus;
};

static void on_came(void *userdata, struct link *bus) {
        struct shell *s = userdata;
        struct follower *f = xnew(struct follower);

        f->bus = bus;
        list_push_back(&s->followers, &f->link);
}

static void on_gone(void *userdata, struct link *bus) {
        struct shell *s = userdata;

        LIST_FOREACH_SAFE (it, &s->followers) {
                struct follower *f = LIST_ENTRY(it, struct follower, link);

                if (f->bus != bus)
                        continue;
                list_remove(&f->link);
                free(f);
        }
}

void shell_tell_blocked(struct shell *s, const struct peer_id *peer, bool blocked) {
        Gossip__BlockedEvent event = GOSSIP__BLOCKED_EVENT__INIT;

        event.peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
        event.blocked = blocked;
        LIST_FOREACH (it, &s->followers)
                (void) rpc_event(LIST_ENTRY(it, struct follower, link)->bus, "Blocked", &event,
                                 RPC_EVENT_MUST);
}

/* ---- Life ---- */

int shell_serve(struct shell *s) {
        int r;

        list_init(&s->followers);
        s->candidates = (struct candidates_service){ gossip_candidates_service, s };
        s->reputation = (struct reputation_service){ gossip_reputation_service, s };
        s->candidates_rpc = rpc_server_new(s->loop, &s->candidates.base.base, 0);
        s->reputation_rpc = rpc_server_new(s->loop, &s->reputation.base.base, RPC_EFFECTS);
        rpc_server_watch(s->reputation_rpc, on_came, on_gone, s);
        r = bus_serve(s->ctx, "gossip/candidates", s->candidates_rpc, NULL, &s->candidates_bus);
        if (!r)
                r = bus_serve(s->ctx, "gossip/reputation", s->reputation_rpc, NULL,
                              &s->reputation_bus);
        return r ? log_fault(r, "cannot serve gossip/candidates and gossip/reputation") : 0;
}

static void end_calls(const struct map *calls) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(calls, &cursor, &key, &value))
                call_fail(value, RPC_E_GONE, "gossip is stopping");
}

void shell_serve_stop(struct shell *s) {
        end_calls(s->calls);
        end_calls(s->denying);
        map_free(s->denying);
        s->denying = map_new(1);
        s->candidates_bus = bus_server_free(s->candidates_bus);
        s->reputation_bus = bus_server_free(s->reputation_bus);
        s->candidates_rpc = rpc_server_free(s->candidates_rpc);
        s->reputation_rpc = rpc_server_free(s->reputation_rpc);
}
