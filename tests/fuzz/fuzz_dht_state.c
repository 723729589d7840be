/* What dht left in its store for its next life, as a disk or another program may have changed it:
 * the first byte says whether the rest is its peer store or whom it saw. */

#include "common/base/error.h"
#include "services/dht/peerstore.h"
#include "services/dht/seen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written again, and read as the same. */
static void try_peers(struct bytes in) {
        CLEANUP(buffer_donep) struct buffer once = {}, twice = {};
        struct peerstore p = {}, back = {};
        struct reader r = reader_of(in);

        buffer_init(&once, PEERSTORE_STATE_MAX);
        buffer_init(&twice, PEERSTORE_STATE_MAX);
        (void) peerstore_unpack(&p, &r); /* of what is malformed it has the peers before */
        check(p.n <= PEERSTORE_MAX);
        peerstore_pack(&p, &once);
        check(!once.failed);
        r = reader_of(buffer_bytes(&once));
        check(peerstore_unpack(&back, &r) && reader_done(&r) && back.n == p.n);
        for (size_t i = 0; i < p.n;
             i++) { /* each at half its trust: the order stays, but among equals */
                check(p.peers[i].trust <= PEERSTORE_TRUST_MAX && p.peers[i].contact.addresses);
                check(i == 0 || p.peers[i - 1].trust >= p.peers[i].trust);
        }
        peerstore_pack(&back, &twice);
        check(!twice.failed && twice.len == once.len);
        peerstore_done(&p);
        peerstore_done(&back);
}

static void try_seen(struct bytes in) {
        static const struct key key = { .bytes = { 7 } };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct reader r = reader_of(in);
        struct seen s = {};
        bool is_good;

        seen_init(&s, 1);
        buffer_init(&b, SEEN_STATE_MAX);
        is_good = seen_unpack(&s, &r);
        check(s.n <= SEEN_MAX && s.level < 64 && (is_good || s.n == 0));
        seen_pack(&s, &b);
        check(!b.failed);
        if (is_good)
                check(bytes_equal(buffer_bytes(&b), BYTES(in.data, in.len - reader_left(&r))));
        for (int64_t i = 0; i < 3; i++)
                seen_note(&s, &key, INT64_C(1800000000000000) + i * INT64_C(600000000));
        check(s.n <= SEEN_MAX);
        (void) seen_count(&s, INT64_C(3600000000), INT64_C(1800000000000000));
        seen_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        if (data[0] % 2 == 0)
                try_peers(BYTES(data + 1, size - 1));
        else
                try_seen(BYTES(data + 1, size - 1));
        return 0;
}
