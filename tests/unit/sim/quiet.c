#include "tests/unit/sim/quiet.h"

#include "common/base/memory.h"

struct quiet_counts quiet_counts[16];

static struct quiet_counts *counts_of(const struct node *n) {
        static struct quiet_counts nobody;
        struct quiet_counts *c =
                n->slot < ELEMENTSOF(quiet_counts) ? &quiet_counts[n->slot] : &nobody;

        c->when = n->net->now;
        return c;
}

static void begin(struct node *n, struct node *const *at, size_t n_at) {
        n->is_serving = true;
}

static void end(struct node *n) {
}

static nsec_t deadline(const struct node *n) {
        return NSEC_NEVER;
}

static void nothing(struct node *n) {
}

static void peer_up(struct node *n, struct node *peer, bool is_inbound) {
        counts_of(n)->up++;
}

static void peer_down(struct node *n, const struct node *peer) {
        counts_of(n)->down++;
}

static void asked(struct node *n, struct node *from, struct bytes message) {
        struct refbuf *answer = refbuf_new(message);

        counts_of(n)->asked++;
        links_answer(n->net, n, answer, message.len == 0);
        refbuf_unref(answer);
}

static void answered(struct node *n, struct node *from, enum sim_protocol protocol, uint64_t id,
                     struct bytes message) {
        counts_of(n)->answered++;
}

static void failed(struct node *n, enum sim_protocol protocol, uint64_t id, enum sim_failure why) {
        counts_of(n)->failed++;
        counts_of(n)->why = why;
}

static void connected(struct node *n, const struct node *to, uint64_t id) {
        counts_of(n)->connected++;
}

static void stream_opened(struct node *n, struct node *to) {
        counts_of(n)->opened++;
}

static void stream_closed(struct node *n, struct node *to) {
        counts_of(n)->closed++;
}

static void rpc(struct node *n, struct node *from, struct bytes message) {
        counts_of(n)->rpcs++;
}

const struct behaviour quiet = {
        .name = "quiet",
        .begin = begin,
        .end = end,
        .deadline = deadline,
        .expire = nothing,
        .output = nothing,
        .peer_up = peer_up,
        .peer_down = peer_down,
        .asked = asked,
        .answered = answered,
        .failed = failed,
        .connected = connected,
        .stream_opened = stream_opened,
        .stream_closed = stream_closed,
        .rpc = rpc,
        .tick = nothing,
};
