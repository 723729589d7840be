/* quorate peers: who is there, as transport and gossip know them, or as peers tell. */

#include <inttypes.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/wire/multiaddr.h"
#include "services/ctl/discovery.h"
#include "services/ctl/own_key.h"
#include "services/ctl/peer_list.h"
#include "services/ctl/peers_topic.h"
#include "services/ctl/people.h"
#include "services/ctl/places.h"
#include "services/ctl/progress.h"

#define PAGE      200 /* presences; a reply of the bus has bounded fields */
#define PAGES_MAX 100
#define PATIENCE  (2 * NSEC_PER_SEC) /* with who only adds to what is there */

struct peers_options {
        bool all, gossip, rpc, discover;
        int64_t depth;
        uint64_t max_peers;
        nsec_t timeout;
        const char *topic, *topic_secret;
};
static const struct option peers_table[] = {
        { OPTION_FLAG, 'a', "all", offsetof(struct peers_options, all), NULL,
          "also those known but not connected" },
        { OPTION_FLAG, 0, "gossip", offsetof(struct peers_options, gossip), NULL,
          "only those whose presence was heard" },
        { OPTION_FLAG, 0, "rpc", offsetof(struct peers_options, rpc), NULL,
          "ask peers whom they know; so does naming a PEER" },
        { OPTION_DEPTH, 0, "depth", offsetof(struct peers_options, depth), "N",
          "--rpc: ask those found too; -1: on and on [1]" },
        { OPTION_COUNT, 0, "max-peers", offsetof(struct peers_options, max_peers), "N",
          "--rpc: end with so many [1000]" },
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct peers_options, timeout), "TIME",
          "--rpc: end after it [30s]" },
        { OPTION_FLAG, 0, "discover", offsetof(struct peers_options, discover), NULL,
          "--rpc: hand what is found to this node's DHT" },
        { OPTION_STRING, 0, "topic", offsetof(struct peers_options, topic), "T",
          "those who announce it in the DHT" },
        { OPTION_STRING, 0, "topic-secret", offsetof(struct peers_options, topic_secret), "FILE",
          "its name of the hour; alone: members; -: stdin" },
        {},
};
static const struct peers_options peers_defaults = {
        .depth = 1,
        .max_peers = 1000,
        .timeout = 30 * NSEC_PER_SEC,
};

/* ---- what this node knows ---- */

static int add_links(const struct command_context *ctx, struct peer_list *l, bool *ret_truncated) {
        const struct peers_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Transport__ListRequest request = TRANSPORT__LIST_REQUEST__INIT;
        int code;

        request.known = o->all;
        code = ctl_call(ctx, &discovery_links, "List", &request, &u);
        if (code)
                return code;
        *ret_truncated = ((const Transport__ListReply *) u.message)->truncated;
        peer_list_add_links(l, &u);
        return EXIT_OK;
}

/* All pages; 0, or -1 with why. */
static int add_heard(const struct command_context *ctx, struct peer_list *l, char why[256]) {
        Gossip__PeersRequest request = GOSSIP__PEERS_REQUEST__INIT;
        struct call_target target = discovery_candidates;

        target.timeout = PATIENCE;
        request.max = PAGE;
        for (unsigned i = 0; i < PAGES_MAX; i++) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Gossip__PeersReply *reply;
                bool more;

                if (ctl_try(ctx, &target, "Peers", &request, &u, why))
                        return -1;
                reply = u.message;
                more = reply->truncated && reply->n_peers > 0;
                if (more)
                        request.after = reply->peers[reply->n_peers - 1]->peer;
                peer_list_add_heard(l, &u); /* keeps what `after` points to */
                if (!more)
                        break;
        }
        return 0;
}

/* Nobody is connected: that may be for many reasons, and the services know them. */
static void show_nobody(const struct command_context *ctx) {
        struct call_target dht = discovery_lookup, transport = discovery_links;
        const struct peers_options *o = ctx->options;
        Types__Empty empty = TYPES__EMPTY__INIT;
        struct unpacked replies[2] = {};
        struct ctl_question questions[] = { { &dht, "Status", &empty, &replies[0] },
                                            { &transport, "Status", &empty, &replies[1] } };
        struct places_nobody nobody;

        if (o->gossip) {
                puts("nothing heard yet; look again in half a minute, or `quorate peers`");
                return;
        }
        dht.timeout = transport.timeout = PATIENCE;
        ctl_try_all(ctx, questions, ELEMENTSOF(questions));
        places_explain(replies[0].message, replies[1].message, &nobody);
        printf("no peers: %s; %s\n", nobody.text, nobody.remedy);
        for (size_t i = 0; i < nobody.n_places; i++)
                printf("  %s\n", nobody.places[i]);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                unpacked_done(&replies[i]);
}

static int show_known(const struct command_context *ctx) {
        const struct peers_options *o = ctx->options;
        CLEANUP(peer_list_donep) struct peer_list l = {};
        char why[256] = "cannot connect";
        bool truncated = false, is_deaf;
        int code = EXIT_OK;

        if (!o->gossip)
                code = add_links(ctx, &l, &truncated);
        if (code)
                return code;
        is_deaf = add_heard(ctx, &l, why) != 0;
        if (is_deaf && o->gossip)
                return complain(ctx, EXIT_OTHER, "%s", why);
        peer_list_merge(&l);
        peer_list_show(ctx, &l);
        if (!ctx->common.json && l.n_rows == 0)
                show_nobody(ctx);
        if (!ctx->common.json && truncated)
                puts("… and more");
        fflush(stdout);
        if (is_deaf)
                fprintf(stderr,
                        "quorate: warning: names, versions and who was only heard of are not "
                        "shown: %s\n",
                        why);
        else
                own_key_warn(ctx);
        return EXIT_OK;
}

/* ---- what peers tell ---- */

static bool id_of(const char *operand, struct peer_id *ret) {
        struct multiaddr a;

        return peer_id_from_text(BYTES_STR(operand), ret) ||
               (multiaddr_from_config(BYTES_STR(operand), &a) == 0 && multiaddr_peer(&a, ret));
}

static bool check_begin(const struct command_context *ctx) {
        for (size_t i = 0; i < ctx->operands.n_items; i++) {
                struct peer_id id;

                if (id_of(ctx->operands.items[i], &id))
                        continue;
                if (people_refuse_at(ctx, "peers", ctx->operands.items[i]))
                        return false;
                (void) complain(ctx, EXIT_USAGE,
                                "peers: '%s' is nobody to ask; give a peer id, PEER@host:port, or "
                                "a multiaddr with /p2p/",
                                ctx->operands.items[i]);
                return false;
        }
        return true;
}

struct asking {
        struct progress progress;
        nsec_t timeout;
};

static void on_tick(void *userdata, nsec_t elapsed) {
        struct asking *a = userdata;
        char line[100];

        (void) snprintf(line, sizeof(line), "asking peers whom they know  %.1f of %.0f s",
                        (double) elapsed / NSEC_PER_SEC, (double) a->timeout / NSEC_PER_SEC);
        progress_line(&a->progress, line);
}

static int crawl(const struct command_context *ctx, struct unpacked *ret) {
        const struct peers_options *o = ctx->options;
        struct call_target t = discovery_within(&discovery_candidates, o->timeout);
        Gossip__CrawlRequest request = GOSSIP__CRAWL_REQUEST__INIT;
        struct asking a = { .timeout = o->timeout };
        char why[256] = "cannot connect";
        int r;

        request.from = (char **) ctx->operands.items;
        request.n_from = ctx->operands.n_items;
        request.depth = (int32_t) o->depth;
        request.max_peers = o->max_peers < UINT32_MAX ? (uint32_t) o->max_peers : UINT32_MAX;
        request.timeout_ms = discovery_ms(o->timeout);
        request.discover = o->discover;
        progress_init(&a.progress, ctx->common.json);
        t.tick = on_tick;
        t.userdata = &a;
        r = ctl_try(ctx, &t, "Crawl", &request, ret, why);
        progress_clear(&a.progress);
        return r == 0 ? EXIT_OK : complain(ctx, EXIT_OTHER, "%s", why);
}

static void crawl_end_json(const Gossip__CrawlReply *m, size_t n) {
        printf("{\"peers\":%zu,\"asked\":%u,\"failed\":%u,\"capped\":%s,\"timed_out\":%s}\n", n,
               m->asked, m->failed, m->capped ? "true" : "false", m->timed_out ? "true" : "false");
}

static void crawl_end_text(const struct peers_options *o, const Gossip__CrawlReply *m, size_t n) {
        fflush(stdout);
        fprintf(stderr, "%zu peer%s; %u asked, %u of them did not answer\n", n, n == 1 ? "" : "s",
                m->asked, m->failed);
        if (m->capped)
                fprintf(stderr,
                        "quorate: warning: ended with %" PRIu64
                        " peers, there are more; raise --max-peers\n",
                        o->max_peers);
        if (m->timed_out)
                fprintf(stderr,
                        "quorate: warning: ended after %.3g s, not all were asked; raise "
                        "--timeout\n",
                        (double) o->timeout / NSEC_PER_SEC);
}

/* ---- somebody by name who does not answer ---- */

static bool is_blocked(const struct command_context *ctx, const struct peer_id *id) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        const Gossip__BlocklistReply *m;
        char why[256];

        if (ctl_try(ctx, &discovery_reputation, "Blocklist", &empty, &u, why))
                return false;
        m = u.message;
        for (size_t i = 0; i < m->n_peers; i++)
                if (bytes_equal(people_bytes(m->peers[i]->peer), peer_id_bytes(id)))
                        return true;
        return false;
}

/* What transport tried last, or why it did not. */
static int complain_silent(const struct command_context *ctx, const char *operand) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Transport__WhyRequest request = TRANSPORT__WHY_REQUEST__INIT;
        const Transport__WhyReply *m;
        char why[256];
        struct peer_id id;

        if (!id_of(operand, &id))
                return EXIT_OTHER;
        if (is_blocked(ctx, &id))
                return complain(ctx, EXIT_OTHER,
                                "peers: %s: this node blocks it; `quorate blocklist` says why, "
                                "`quorate unblock` ends it",
                                operand);
        request.peer = people_data(peer_id_bytes(&id));
        if (ctl_try(ctx, &discovery_links, "Why", &request, &u, why))
                return complain(ctx, EXIT_OTHER, "peers: %s: %s", operand, why);
        m = u.message;
        if (m->n_addresses == 0 && m->n_attempts == 0)
                return complain(ctx, EXIT_OTHER,
                                "peers: %s: this node knows no address of it; look with `quorate "
                                "find`, or give PEER@host:port",
                                operand);
        return complain(ctx, EXIT_OTHER, "peers: %s: %s; see `quorate why`", operand,
                        m->n_attempts > 0 && strncmp(m->attempts[0]->outcome, "connected", 9) != 0
                                ? m->attempts[0]->outcome
                                : "it does not answer this question");
}

static int complain_all_silent(const struct command_context *ctx) {
        int code = EXIT_OTHER;

        for (size_t i = 0; i < ctx->operands.n_items; i++)
                code = complain_silent(ctx, ctx->operands.items[i]);
        return code;
}

static int show_told(const struct command_context *ctx) {
        const struct peers_options *o = ctx->options;
        CLEANUP(peer_list_donep) struct peer_list l = {};
        CLEANUP(unpacked_donep) struct unpacked told = {};
        CLEANUP(unpacked_donep) struct unpacked linked = {};
        Transport__ListRequest request = TRANSPORT__LIST_REQUEST__INIT;
        const Gossip__CrawlReply *m;
        char why[256];
        int code;

        if (!check_begin(ctx))
                return EXIT_USAGE;
        code = crawl(ctx, &told);
        if (code)
                return code;
        m = told.message;
        if (ctx->operands.n_items > 0 && m->asked == m->failed && o->depth != 0)
                return complain_all_silent(ctx);
        peer_list_add_told(&l, &told); /* m lives on in it */
        if (ctl_try(ctx, &discovery_links, "List", &request, &linked, why) == 0)
                peer_list_add_links(&l, &linked); /* for the round-trip times */
        peer_list_merge(&l);
        peer_list_keep_presences(&l);
        peer_list_show(ctx, &l);
        if (ctx->common.json)
                crawl_end_json(m, l.n_rows);
        else
                crawl_end_text(o, m, l.n_rows);
        own_key_warn(ctx);
        return EXIT_OK;
}

static int run(const struct command_context *ctx) {
        const struct peers_options *o = ctx->options;
        const struct peers_topic topic = { o->topic, o->topic_secret, o->max_peers, o->timeout };
        bool by_topic = o->topic || o->topic_secret;
        bool asks = o->rpc || o->discover || o->depth != peers_defaults.depth ||
                    ctx->operands.n_items > 0;

        if (!asks && !by_topic &&
            (o->timeout != peers_defaults.timeout || o->max_peers != peers_defaults.max_peers))
                return complain(ctx, EXIT_USAGE,
                                "peers: --timeout and --max-peers bound what is asked of others; "
                                "give --rpc, a PEER or --topic as well, or leave them out");
        if (by_topic && (asks || o->gossip || o->all))
                return complain(ctx, EXIT_USAGE,
                                "peers: --topic asks the DHT, --gossip and --all show what this "
                                "node knows, --rpc and PEER ask others; give one of them");
        if (by_topic)
                return peers_topic_show(ctx, &topic);
        if (asks && (o->gossip || o->all))
                return complain(ctx, EXIT_USAGE,
                                "peers: --%s shows what this node knows, --rpc and PEER ask "
                                "others; give one of them",
                                o->gossip ? "gossip" : "all");
        return asks ? show_told(ctx) : show_known(ctx);
}

const struct command command_peers = {
        .name = "peers",
        .usage = "peers [OPTIONS] [PEER…]",
        .summary = "List the peers this node is connected to or has heard of; -v: whole ids",
        .example = "quorate peers --depth 2 --discover",
        .options = peers_table,
        .options_size = sizeof(struct peers_options),
        .defaults = &peers_defaults,
        .run = run,
};
