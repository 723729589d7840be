#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "proto/peers.pb-c.h"
#include "services/sim/measure.h"
#include "services/sim/node.h"

/* The gossip half of an honest node: what services/gossip/shell*.c do, on the transport model.
 * Left out: signed peer records, so that peer exchange names peers whose address transport
 * must know. */

#define MESSAGE_PREFIX BYTES_LIT("libp2p-pubsub:") /* keyring: statement pubsub-message */
#define SLOTS          4
#define MEMORY_MIB     8192
#define JOB_MEMORY     (UINT64_C(512) << 20)
#define JOB_TIME       (60 * NSEC_PER_SEC)  /* mean */
#define JOB_EVERY      (100 * NSEC_PER_SEC) /* mean, on one node */

/* What the governor has free, as coordinator tells it. */
static void offer(struct node *n) {
        Peers__Capability c = PEERS__CAPABILITY__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        char *engines[] = { (char *) "sqlite", (char *) "rare" };

        c.engines = engines;
        c.n_engines = n->is_rare ? 2 : 1;
        c.cores = SLOTS;
        c.memory_mib = MEMORY_MIB;
        c.slots = governor_served_slots(&n->governor);
        c.free_slots = governor_free_slots(&n->governor);
        c.data_classes = DATA_PUBLIC;
        c.name = (char *) "a simulated node";
        buffer_init(&b, 1024);
        wire_pack(&b, &c.base);
        gossip_offer(n->gossip, buffer_bytes(&b), n->net->now);
}

void node_gossip_begin(struct node *n) {
        uint64_t seed = n->net->settings.seed * UINT64_C(1000033) + n->life;
        struct multiaddr address = multiaddr_from_endpoint(&n->endpoint);
        nsec_t now = n->net->now;
        struct gossip_config config;

        gossip_config_default(&config);
        config.pow_bits = 0; /* it looks at keys themselves, and none was ground here */
        n->gossip = gossip_new(&config, &n->peer, seed);
        gossip_verifier(n->gossip, keys_verify, &n->net->keys);
        gossip_clock(n->gossip, now, (uint64_t) node_wall_us(n) * NSEC_PER_USEC);
        if (n->disk.gossip)
                (void) gossip_restore(n->gossip, refbuf_bytes(n->disk.gossip), now);
        gossip_addresses(n->gossip, &address, 1, now);
        governor_init(&n->governor, 0, 1);
        governor_capacity(
                &n->governor,
                &(struct governor_worker){ .slots = SLOTS, .memory = (uint64_t) MEMORY_MIB << 20 },
                1);
        offer(n);
        gossip_start(n->gossip, now);
}

void node_gossip_peer(struct node *n, struct node *peer, bool is_inbound) {
        struct multiaddr address = multiaddr_from_endpoint(&peer->endpoint);
        struct gossip_peer p = { .peer = peer->peer,
                                 .endpoint = peer->endpoint,
                                 .is_outbound = !is_inbound,

                                 .version = PUBSUB_V1_2,
                                 .speaks_peers = true,
                                 .n_addresses = 1,
                                 .addresses = &address };

        gossip_peer_up(n->gossip, &p, n->net->now);
}

static void on_job_end(struct network *net, struct node *n, struct event *e) {
        governor_give(&n->governor, GOVERNOR_SERVED, JOB_MEMORY);
        offer(n);
}

/* A job takes its slot for a while, if there is one. */
static void on_job(struct node *n) {
        struct network *net = n->net;

        if (governor_take(&n->governor, GOVERNOR_SERVED, JOB_MEMORY) != GOVERNOR_OK)
                return;
        (void) network_event(net, net->now + rng_below(&net->rng, 2 * JOB_TIME), on_job_end, n);
        offer(n);
}

void node_gossip_tick(struct node *n) {
        if (rng_chance(&n->net->rng, (double) NODE_TICK / JOB_EVERY))
                on_job(n);
}

static void sign(struct node *n, const struct gossip_action *a, struct bytes prefix) {
        struct signature s = keys_sign(&n->net->keys, &n->secret, prefix, refbuf_bytes(a->data));

        gossip_signed(n->gossip, a->id, BYTES_NONE, signature_bytes(&s), n->net->now);
}

static void ask(struct node *n, const struct gossip_action *a) {
        links_ask(n->net, n,
                  &(struct sim_ask){ .protocol = SIM_PEERS,
                                     .purpose = PURPOSE_SAMPLES,
                                     .wants_answer = true,
                                     .id = a->id,
                                     .to = &a->peer,
                                     .data = a->data });
}

static void block(struct node *n, const struct gossip_action *a) {
        dht_deny(n->dht, &a->peer, a->n, n->net->now);
        if (a->n)
                links_close(n->net, n, &a->peer);
}

void node_gossip_act(struct node *n, struct gossip_action *a) {
        switch (a->type) {
        case GOSSIP_STREAM_OPEN:
                links_stream_open(n->net, n, &a->peer);
                break;
        case GOSSIP_STREAM_CLOSE:
                links_stream_close(n->net, n, &a->peer);
                break;
        case GOSSIP_SEND:
                links_send(n->net, n, &a->peer, a->data);
                break;
        case GOSSIP_ASK:
                ask(n, a);
                break;
        case GOSSIP_ANSWER:
        case GOSSIP_REFUSE:
                links_answer(n->net, n, a->data, a->type == GOSSIP_REFUSE);
                break;
        case GOSSIP_LOOKUP:
                node_gather(n, a);
                break;
        case GOSSIP_HINT:
        case GOSSIP_CONNECT:
                links_connect(n->net, n, &a->peer, 0, PURPOSE_REFRESH);
                break;
        case GOSSIP_KEEP:
                links_keep(n->net, n, &a->peer, a->n);
                break;
        case GOSSIP_SIGN_MESSAGE:
                sign(n, a, MESSAGE_PREFIX);
                break;
        case GOSSIP_SIGN_CAPABILITY:
                measure_spread(n->net, n);
                sign(n, a, CAPABILITY_PREFIX);
                break;
        case GOSSIP_BLOCK:
                block(n, a);
                break;
        case GOSSIP_STORE:
                disk_gossip_put(&n->disk, a->data);
                break;
        case GOSSIP_DRAWN:
                measure_drawn(n->net, n, a);
                break;
        default:
                break;
        }
}
