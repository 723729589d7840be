#include "services/coordinator/data/fetch.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/rng.h"
#include "common/wire/frame.h"
#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"
#include "services/coordinator/data/serve.h"
#include "tests/support/test.h"

/* One dataset in memory, providers that are good, corrupt or mute, and a sink. */
enum kind { GOOD, CORRUPT, MUTE, EMPTY, LIAR, PRETENDER, PACKS };
/* Beyond PACKS: what is wrong with its frames. */
enum twist { RIGHT, DECLARES_MORE, DECLARES_MUCH, HOLDS_LESS, CUT, TRAILING, OTHER_BYTES };

struct world {
        uint8_t *content;
        struct manifest manifest;
        struct buffer encoded;
        struct hash_value root, *leaves;
        uint64_t n;
        uint8_t *got;
        bool *have;
        uint64_t stored, twice, wire;
        int sink_error;
        unsigned strangers; /* bits: whom only the DHT named */
        bool told;          /* a stranger was told the root, and had shown nothing */
};

static int get_manifest(void *userdata, const struct hash_value *root, struct buffer *b) {
        struct world *w = userdata;

        buffer_put_bytes(b, buffer_bytes(&w->encoded));
        return 0;
}

static int get_leaves(void *userdata, const struct hash_value *root, uint64_t first, size_t count,
                      struct buffer *b) {
        struct world *w = userdata;

        if (first + count > w->n)
                return DATA_MISSING_RANGE;
        buffer_put(b, w->leaves + first, count * HASH_SIZE);
        return 0;
}

static int get_chunk(void *userdata, const struct hash_value *root, uint64_t index,
                     struct buffer *b) {
        struct world *w = userdata;

        buffer_put(b, w->content + index * DATA_CHUNK_SIZE,
                   manifest_chunk_len(&w->manifest, index));
        return 0;
}

static int get_bad_chunk(void *userdata, const struct hash_value *root, uint64_t index,
                         struct buffer *b) {
        get_chunk(userdata, root, index, b);
        b->data[index % b->len] ^= 1;
        return 0;
}

static int get_bad_leaves(void *userdata, const struct hash_value *root, uint64_t first,
                          size_t count, struct buffer *b) {
        get_leaves(userdata, root, first, count, b);
        b->data[0] ^= 1;
        return 0;
}

static int get_nothing(void *userdata, const struct hash_value *root, struct buffer *b) {
        return DATA_MISSING_ROOT;
}

/* It claims to have whatever it is asked for. */
static int get_made_up(void *userdata, const struct hash_value *root, struct buffer *b) {
        const struct manifest m = { .format = BYTES_LIT("sqlite"), .length = 5 };

        manifest_encode(&m, b);
        return 0;
}

static const struct serve_source sources[] = {
        [GOOD] = { get_manifest, get_leaves, get_chunk },
        [CORRUPT] = { get_manifest, get_leaves, get_bad_chunk },
        [EMPTY] = { get_nothing, get_leaves, get_chunk },
        [LIAR] = { get_manifest, get_bad_leaves, get_chunk },
        [PRETENDER] = { get_made_up, get_leaves, get_chunk },
        [PACKS] = { get_manifest, get_leaves, get_chunk },
};

static bool pack(void *userdata, uint64_t rate, struct bytes chunk, struct buffer *b,
                 uint64_t *length) {
        enum twist how = *(const enum twist *) userdata;
        uint8_t *data = (uint8_t *) chunk.data;

        data[0] ^= how == OTHER_BYTES;
        check(packed_put(BYTES(data, chunk.len - (how == HOLDS_LESS)), b));
        b->len -= how == CUT;
        if (how == TRAILING)
                buffer_put_bytes(b, BYTES_LIT("x"));
        if (how == DECLARES_MUCH)
                *length = UINT64_C(1) << 60;
        *length += how == DECLARES_MORE;
        return true;
}

static int put_manifest(void *userdata, struct bytes encoded, const struct manifest *m) {
        return 0;
}

static int put_leaves(void *userdata, const struct hash_value *leaves, uint64_t n) {
        return 0;
}

static int put_chunk(void *userdata, uint64_t index, struct bytes data) {
        struct world *w = userdata;

        if (w->sink_error)
                return w->sink_error;
        w->twice += w->have[index];
        w->have[index] = true;
        w->stored++;
        memcpy(w->got + index * DATA_CHUNK_SIZE, data.data, data.len);
        return 0;
}

static const struct fetch_sink sink = { put_manifest, put_leaves, put_chunk };

static void world_init(struct world *w, uint64_t length) {
        struct merkle tree;
        struct rng r;

        *w = (struct world){ .manifest = { .format = BYTES_LIT("sqlite"), .length = length } };
        w->content = xmalloc(length);
        w->got = xcalloc(length, 1);
        rng_init(&r, length);
        rng_bytes(&r, w->content, length);
        for (size_t i = 0; i < length; i++)
                w->content[i] &= 15; /* packs to a half */
        w->n = manifest_n_chunks(&w->manifest);
        w->leaves = xnew_n(struct hash_value, w->n);
        w->have = xnew_n(bool, w->n);
        merkle_init(&tree, &data_merkle_names);
        for (uint64_t i = 0; i < w->n; i++) {
                w->leaves[i] =
                        merkle_leaf(&data_merkle_names, BYTES(w->content + i * DATA_CHUNK_SIZE,
                                                              manifest_chunk_len(&w->manifest, i)));
                merkle_add_leaf(&tree, &w->leaves[i]);
        }
        w->manifest.chunk_root = merkle_root(&tree);
        buffer_init(&w->encoded, MANIFEST_SIZE_MAX);
        manifest_encode(&w->manifest, &w->encoded);
        w->root = manifest_root(buffer_bytes(&w->encoded));
}

static void world_done(struct world *w) {
        free(w->content);
        free(w->got);
        free(w->leaves);
        free(w->have);
        buffer_done(&w->encoded);
}

/* Answers everything in `requests` as this kind of provider would. */
static void answer(struct world *w, struct fetch *f, unsigned provider, enum kind kind,
                   struct bytes requests, nsec_t now) {
        enum twist twist = kind > PACKS ? (enum twist)(kind - PACKS) : RIGHT;
        const struct serve_packer packer = { pack, &twist };
        const struct serve_source *source = &sources[kind > PACKS ? PACKS : kind];
        struct frame_reader in;
        struct bytes frame, answer_frame;

        frame_reader_init(&in, DATA_REQUEST_MAX);
        while (frame_reader_next(&in, &requests, &frame) == FRAME_OK) {
                struct frame_reader out;
                struct buffer b;

                buffer_init(&b, DATA_ANSWER_MAX);
                assert_int_equal(
                        serve_request(source, w, kind >= PACKS ? &packer : NULL, frame, &b),
                        SERVE_OK);
                w->wire += b.len;
                frame_reader_init(&out, DATA_ANSWER_MAX);
                struct bytes rest = buffer_bytes(&b);
                assert_int_equal(frame_reader_next(&out, &rest, &answer_frame), FRAME_OK);
                fetch_frame(f, provider, answer_frame, now);
                frame_reader_done(&out);
                buffer_done(&b);
        }
        frame_reader_done(&in);
}

struct outcome {
        enum fetch_action_kind end;
        int error;
        unsigned dropped;
};

static bool contains(struct bytes v, struct bytes what) {
        return memmem(v.data, v.len, what.data, what.len);
}

static struct outcome run(struct world *w, struct fetch *f, const enum kind *kinds, size_t n) {
        struct outcome outcome = {};
        struct fetch_action a;
        nsec_t now = 1;

        for (size_t i = 0; i < n; i++) {
                struct peer_id peer = { .len = 1, .bytes = { (uint8_t) (i + 1) } };

                if (w->strangers & 1u << i)
                        fetch_add_stranger(f, &peer, now);
                else
                        fetch_add_provider(f, &peer, now);
        }
        for (int turns = 0; turns < 100000; turns++) {
                if (!fetch_output(f, &a)) {
                        if (fetch_deadline(f) == NSEC_NEVER)
                                break;
                        now = fetch_deadline(f);
                        fetch_expire(f, now);
                        continue;
                }
                if (a.kind == FETCH_SEND && w->strangers & 1u << a.provider &&
                    kinds[a.provider] != GOOD)
                        w->told |= contains(a.data, hash_bytes(&w->root));
                if (a.kind == FETCH_OPEN)
                        fetch_opened(f, a.provider, now);
                else if (a.kind == FETCH_SEND && kinds[a.provider] != MUTE) {
                        struct bytes copy = BYTES(xmemdup(a.data.data, a.data.len), a.data.len);

                        answer(w, f, a.provider, kinds[a.provider], copy, now);
                        free((void *) copy.data);
                } else if (a.kind == FETCH_DROP)
                        outcome.dropped++;
                else if (a.kind == FETCH_DONE || a.kind == FETCH_FAILED) {
                        outcome.end = a.kind;
                        outcome.error = a.error;
                }
        }
        return outcome;
}

static const struct {
        const char *name;
        uint64_t length;
        enum kind kinds[5];
        size_t n;
        enum fetch_action_kind end;
        enum fetch_fault faults[5];
} cases[] = {
        { "empty dataset", 0, { GOOD }, 1, FETCH_DONE, {} },
        { "one byte", 1, { GOOD }, 1, FETCH_DONE, {} },
        { "exactly two chunks", 2 << 20, { GOOD }, 1, FETCH_DONE, {} },
        { "two of five corrupt, one mute",
          (20 << 20) + 7,
          { GOOD, CORRUPT, MUTE, CORRUPT, GOOD },
          5,
          FETCH_DONE,
          { 0, FETCH_FAULT_CHUNK, FETCH_FAULT_NOTHING, FETCH_FAULT_CHUNK,
            0 } }, /* others did what the mute one owed */
        { "only a mute one", 3 << 20, { MUTE }, 1, FETCH_FAILED, { FETCH_FAULT_SILENT } },
        { "leaf list liar first",
          3 << 20,
          { LIAR, GOOD },
          2,
          FETCH_DONE,
          { FETCH_FAULT_LEAVES, 0 } },
        { "nobody has it",
          3 << 20,
          { EMPTY, EMPTY },
          2,
          FETCH_FAILED,
          { FETCH_FAULT_MISSING, FETCH_FAULT_MISSING } },
        { "only corrupt ones",
          3 << 20,
          { CORRUPT, CORRUPT },
          2,
          FETCH_FAILED,
          { FETCH_FAULT_CHUNK, FETCH_FAULT_CHUNK } },
};

static void test_cases(void **state) {
        FOREACH_CASE (c, cases) {
                struct budget memory;
                struct fetch_config config = { 10 * NSEC_PER_SEC, 4, &memory };
                struct fetch_report reports[5];
                struct outcome outcome;
                struct world w;
                struct fetch *f;

                print_message("#   %s\n", c->name);
                budget_init(&memory, 1 << 20, NULL);
                world_init(&w, c->length);
                f = fetch_new(&w.root, &config, &sink, &w);
                outcome = run(&w, f, c->kinds, c->n);
                assert_int_equal(outcome.end, c->end);
                assert_int_equal(fetch_reports(f, reports, 5), c->n);
                for (size_t i = 0; i < c->n; i++)
                        assert_int_equal(reports[i].fault, c->faults[i]);
                if (c->end == FETCH_DONE) {
                        assert_int_equal(w.stored, w.n);
                        assert_int_equal(w.twice, 0);
                        assert_bytes_equal(BYTES(w.got, c->length), BYTES(w.content, c->length));
                }
                fetch_free(f);
                assert_int_equal(memory.used, 0);
                world_done(&w);
        }
}

/* A frame that is not what it says, or not what the manifest says, has an author. */
static void test_packed(void **state) {
        for (unsigned how = RIGHT; how <= OTHER_BYTES; how++) {
                const enum kind kinds[] = { (enum kind)(PACKS + how), GOOD };
                struct budget memory;
                struct fetch_config config = { 10 * NSEC_PER_SEC, 4, &memory };
                struct fetch_report reports[2];
                struct world w;
                struct fetch *f;

                budget_init(&memory, 1 << 20, NULL);
                world_init(&w, (6 << 20) + 1000);
                f = fetch_new(&w.root, &config, &sink, &w);
                assert_int_equal(run(&w, f, kinds, how == RIGHT ? 1 : 2).end, FETCH_DONE);
                assert_true(fetch_reports(f, reports, 2) > 0);
                assert_int_equal(reports[0].fault, how == RIGHT         ? FETCH_FAULT_NONE
                                                   : how == OTHER_BYTES ? FETCH_FAULT_CHUNK
                                                                        : FETCH_FAULT_PACKED);
                if (how == RIGHT)
                        assert_in_range(w.wire, 2 << 20, 4 << 20);
                else
                        assert_int_equal(reports[0].chunks, 0);
                assert_bytes_equal(BYTES(w.got, w.manifest.length),
                                   BYTES(w.content, w.manifest.length));
                fetch_free(f);
                world_done(&w);
        }
}

/* Who does not say that he opens frames gets none; who does may get them. */
static void test_old_askers(void **state) {
        for (unsigned codec = PACKED_PLAIN; codec <= PACKED_ZSTD + 1; codec++) {
                CLEANUP(buffer_donep) struct buffer request = {}, out = {};
                CLEANUP(unpacked_donep) struct unpacked u = {};
                Grid__ChunkRequest chunk = GRID__CHUNK_REQUEST__INIT;
                Grid__DataMessage m = GRID__DATA_MESSAGE__INIT;
                enum twist twist = RIGHT;
                const struct serve_packer packer = { pack, &twist };
                const Grid__Chunk *got;
                struct reader r;
                struct world w;

                world_init(&w, 1 << 20);
                m.body_case = GRID__DATA_MESSAGE__BODY_CHUNK_REQUEST;
                m.chunk_request = &chunk;
                chunk.root = (ProtobufCBinaryData){ HASH_SIZE, w.root.bytes };
                chunk.codec = codec;
                buffer_init(&request, 256);
                buffer_init(&out, DATA_ANSWER_MAX);
                wire_pack(&request, &m.base);
                assert_int_equal(
                        serve_request(&sources[PACKS], &w, &packer, buffer_bytes(&request), &out),
                        SERVE_OK);
                r = reader_of(buffer_bytes(&out));
                assert_int_equal(wire_unpack(&grid__data_message__descriptor, reader_prefixed(&r),
                                             &(struct unpack_limits){ 2, 16, 8, 2 << 20 }, &u),
                                 0);
                got = ((const Grid__DataMessage *) u.message)->chunk;
                assert_int_equal(got->codec, codec == PACKED_ZSTD);
                assert_int_equal(got->length, codec == PACKED_ZSTD ? 1 << 20 : 0);
                if (codec != PACKED_ZSTD)
                        assert_bytes_equal(BYTES(got->data.data, got->data.len),
                                           BYTES(w.content, 1 << 20));
                world_done(&w);
        }
}

static void test_resume_asks_only_for_the_rest(void **state) {
        const enum kind kinds[] = { GOOD };
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 8, &memory };
        struct world w;
        struct fetch *f;
        bool have[10] = { [0] = true, [3] = true, [9] = true };

        budget_init(&memory, 1 << 20, NULL);
        world_init(&w, 10 << 20);
        f = fetch_new(&w.root, &config, &sink, &w);
        assert_int_equal(fetch_resume(f, buffer_bytes(&w.encoded), w.leaves, have), 0);
        assert_int_equal(run(&w, f, kinds, 1).end, FETCH_DONE);
        assert_int_equal(w.stored, 7);
        assert_false(w.have[0] || w.have[3] || w.have[9]);
        fetch_free(f);

        w.leaves[2].bytes[0] ^= 1;
        f = fetch_new(&w.root, &config, &sink, &w);
        assert_int_equal(fetch_resume(f, buffer_bytes(&w.encoded), w.leaves, have), -EBADMSG);
        fetch_free(f);
        world_done(&w);
}

/* What a fetch wants next of provider `i`, given out: the bytes are the caller's. */
static struct bytes sent_to(struct fetch *f, unsigned i, nsec_t now, unsigned *ret_dropped) {
        struct fetch_action a;
        struct bytes sent = BYTES_NONE;

        while (fetch_output(f, &a)) {
                if (a.kind == FETCH_OPEN)
                        fetch_opened(f, a.provider, now);
                else if (a.kind == FETCH_DROP)
                        *ret_dropped |= 1u << a.provider;
                else if (a.kind == FETCH_SEND && a.provider == i)
                        sent = BYTES(xmemdup(a.data.data, a.data.len), a.data.len);
        }
        return sent;
}

/* The first of `n` gives the manifest and then drips its leaves, a byte each second. */
static unsigned drip(struct world *w, unsigned n, unsigned seconds, struct fetch_report *ret) {
        struct budget memory;
        struct fetch_config config = { 10 * NSEC_PER_SEC, 4, &memory };
        struct fetch *f = fetch_new(&w->root, &config, &sink, w);
        unsigned dropped = 0;
        nsec_t now = 1;
        struct bytes sent;

        budget_init(&memory, 1 << 20, NULL);
        for (unsigned i = 0; i < n; i++)
                fetch_add_provider(f, &(struct peer_id){ .len = 1, .bytes = { (uint8_t) (i + 1) } },
                                   now);
        sent = sent_to(f, 0, now, &dropped);
        answer(w, f, 0, GOOD, sent, now); /* and so it is the one who is asked for leaves */
        free((void *) sent.data);
        for (unsigned i = 0; i < seconds && !dropped; i++) {
                now = nsec_add(now, NSEC_PER_SEC);
                for (unsigned k = 0; k < n; k++) /* the others owe nothing, and say so */
                        fetch_alive(f, k, now);
                free((void *) sent_to(f, n, now, &dropped).data);
        }
        (void) fetch_reports(f, ret, n);
        fetch_free(f);
        return dropped;
}

static void test_dripping_leaves(void **state) {
        struct fetch_report reports[2];
        struct world w;

        world_init(&w, 3 << 20);
        assert_int_equal(drip(&w, 2, 39, reports), 0);
        assert_int_equal(drip(&w, 2, 41, reports), 1);
        assert_int_equal(reports[0].fault, FETCH_FAULT_SLOW);
        assert_int_equal(reports[1].fault, 0);
        assert_int_equal(drip(&w, 1, 1000, reports), 0); /* better than nobody */
        world_done(&w);
}

static void test_full_disk_and_memory(void **state) {
        const enum kind kinds[] = { GOOD };
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 8, &memory };
        struct outcome outcome;
        struct world w;
        struct fetch *f;

        budget_init(&memory, 1 << 20, NULL);
        world_init(&w, 10 << 20);
        w.sink_error = -ENOSPC;
        f = fetch_new(&w.root, &config, &sink, &w);
        outcome = run(&w, f, kinds, 1);
        assert_int_equal(outcome.end, FETCH_FAILED);
        assert_int_equal(outcome.error, -ENOSPC);
        fetch_free(f);

        w.sink_error = 0;
        budget_init(&memory, 100, NULL);
        f = fetch_new(&w.root, &config, &sink, &w);
        outcome = run(&w, f, kinds, 1);
        assert_int_equal(outcome.end, FETCH_FAILED);
        assert_int_equal(outcome.error, -ENOBUFS);
        fetch_free(f);
        world_done(&w);
}

/* Of whom it is only said that they have it: they show the manifest before they learn the root. */
static void test_strangers_show_it_first(void **state) {
        const enum kind kinds[] = { GOOD, PRETENDER, MUTE, EMPTY, GOOD };
        static const enum fetch_fault faults[] = { 0, FETCH_FAULT_MANIFEST, FETCH_FAULT_SILENT,
                                                   FETCH_FAULT_MISSING, 0 };
        struct fetch_config config = { NSEC_PER_SEC, 4, NULL };
        struct fetch_report reports[5];
        struct hash_value key;
        struct budget memory;
        struct fetch *f;
        struct world w;

        for (unsigned strangers = 0x0e; strangers <= 0x1f; strangers += 0x11) {
                budget_init(&memory, 1 << 20, NULL);
                config.memory = &memory;
                world_init(&w, 8 << 20);
                w.strangers = strangers;
                f = fetch_new(&w.root, &config, &sink, &w);
                fetch_wait(f, true, 1);
                assert_int_equal(run(&w, f, kinds, 5).end, FETCH_DONE);
                assert_false(w.told);
                assert_int_equal(fetch_reports(f, reports, 5), 5);
                for (size_t i = 0; i < 5; i++)
                        if (faults[i] != FETCH_FAULT_SILENT) /* it may have ended before */
                                assert_int_equal(reports[i].fault, faults[i]);
                fetch_free(f);
                world_done(&w);
        }
        key = manifest_finding_key(&w.root);
        assert_false(hash_equal(&key, &w.root));
}

/* None is no failure while somebody looks for more, and is one when he found nobody. */
static void test_waits_for_providers(void **state) {
        const enum kind kinds[] = { GOOD };
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 4, &memory };
        struct fetch_action a;
        struct fetch *f;
        struct world w;

        budget_init(&memory, 1 << 20, NULL);
        world_init(&w, 2 << 20);
        f = fetch_new(&w.root, &config, &sink, &w);
        fetch_wait(f, true, 1);
        fetch_add_provider(f, &(struct peer_id){ .len = 1, .bytes = { 9 } }, 1);
        assert_true(fetch_output(f, &a) && a.kind == FETCH_OPEN);
        fetch_closed(f, 0, FETCH_FAULT_UNREACHABLE, 1);
        fetch_expire(f, 2);
        assert_false(fetch_output(f, &a));
        fetch_wait(f, false, 3);
        assert_true(fetch_output(f, &a) && a.kind == FETCH_FAILED);
        assert_int_equal(a.error, 0);
        fetch_free(f);

        f = fetch_new(&w.root, &config, &sink, &w);
        fetch_wait(f, true, 1);
        fetch_wait(f, false, 1);
        assert_true(fetch_output(f, &a) && a.kind == FETCH_FAILED);
        fetch_free(f);

        f = fetch_new(&w.root, &config, &sink, &w);
        fetch_wait(f, true, 1);
        assert_false(fetch_output(f, &a));
        assert_int_equal(run(&w, f, kinds, 1).end, FETCH_DONE);
        fetch_free(f);
        world_done(&w);
}

TEST_MAIN(cmocka_unit_test(test_cases), cmocka_unit_test(test_packed),
          cmocka_unit_test(test_old_askers), cmocka_unit_test(test_strangers_show_it_first),
          cmocka_unit_test(test_waits_for_providers),
          cmocka_unit_test(test_resume_asks_only_for_the_rest),
          cmocka_unit_test(test_dripping_leaves), cmocka_unit_test(test_full_disk_and_memory))
