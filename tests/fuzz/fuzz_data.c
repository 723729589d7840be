/* Datasets: the first byte says which side reads the rest: a manifest, a request to
 * the serving side, or answers to a fetch that has asked for them, by a provider that a
 * dispatch named or (3) one that only the DHT did. */

#include "common/wire/frame.h"
#include "services/coordinator/data/derived.h"
#include "services/coordinator/data/fetch.h"
#include "services/coordinator/data/serve.h"

static int nothing(void *userdata, const struct hash_value *root, struct buffer *b) {
        return DATA_MISSING_ROOT;
}

static int some_leaves(void *userdata, const struct hash_value *root, uint64_t first, size_t count,
                       struct buffer *b) {
        if (count > 64)
                return DATA_MISSING_RANGE;
        memset(buffer_reserve(b, count * HASH_SIZE), 7, count * HASH_SIZE);
        b->len += count * HASH_SIZE;
        return 0;
}

static int no_chunk(void *userdata, const struct hash_value *root, uint64_t index,
                    struct buffer *b) {
        return DATA_MISSING_RANGE;
}

static const struct serve_source source = { nothing, some_leaves, no_chunk };

static int keep_manifest(void *userdata, struct bytes encoded, const struct manifest *m) {
        return 0;
}

static int keep_leaves(void *userdata, const struct hash_value *leaves, uint64_t n) {
        return 0;
}

static int keep_chunk(void *userdata, uint64_t index, struct bytes data) {
        return 0;
}

static const struct fetch_sink sink = { keep_manifest, keep_leaves, keep_chunk };

static void fuzz_fetch(struct bytes in, bool is_stranger) {
        const struct peer_id peer = { .len = 1 };
        struct hash_value root = manifest_root(BYTES_LIT(""));
        struct frame_reader frames;
        struct fetch_action a;
        struct budget memory;
        struct bytes frame;
        struct fetch *f;

        budget_init(&memory, 1 << 20, NULL);
        f = fetch_new(&root, &(struct fetch_config){ NSEC_PER_SEC, 4, &memory }, &sink, NULL);
        if (is_stranger)
                fetch_add_stranger(f, &peer, 1);
        else
                fetch_add_provider(f, &peer, 1);
        frame_reader_init(&frames, DATA_ANSWER_MAX);
        while (fetch_output(f, &a))
                if (a.kind == FETCH_OPEN)
                        fetch_opened(f, 0, 1);
        while (frame_reader_next(&frames, &in, &frame) == FRAME_OK) {
                fetch_frame(f, 0, frame, 2);
                while (fetch_output(f, &a))
                        continue;
        }
        frame_reader_done(&frames);
        fetch_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct buffer out;
        struct manifest m;
        struct derived d;
        struct bytes rest;

        if (size == 0)
                return 0;
        rest = BYTES(data + 1, size - 1);
        if (data[0] == 0) {
                if (manifest_decode(rest, &m) == MANIFEST_OK)
                        (void) derived_decode(&m, &d);
        } else if (data[0] == 1) {
                buffer_init(&out, DATA_ANSWER_MAX);
                (void) serve_request(&source, NULL, NULL, rest, &out);
                buffer_done(&out);
        } else {
                fuzz_fetch(rest, data[0] == 3);
        }
        return 0;
}
