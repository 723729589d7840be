#pragma once

/* A session over tables made from CREATE statements, for tests of the engine. */

#include "common/wire/varint.h"
#include "services/worker/engine.h"
#include "tests/support/test.h"

struct fixture {
        struct engine_job job;
        struct engine_session *session;
        struct buffer schemas[ENGINE_INPUTS_MAX];
};

static inline void fixture_input(struct fixture *f, const char *name, const char *const *creates) {
        struct buffer *b = &f->schemas[f->job.n_inputs];
        struct engine_input *in = &f->job.inputs[f->job.n_inputs++];
        size_t n = 0;

        while (creates[n])
                n++;
        buffer_init(b, 1 << 20);
        buffer_put_u8(b, 1);
        buffer_put_varint(b, n);
        for (size_t i = 0; i < n; i++)
                buffer_put_prefixed(b, BYTES_STR(creates[i]));
        (void) snprintf(in->name, sizeof(in->name), "%s", name);
        in->schema = buffer_bytes(b);
}

static inline void fixture_open(struct fixture *f) {
        struct engine_problem p = {};
        int r;

        f->job.memory = f->job.memory ? f->job.memory : 64 << 20;
        assert_int_equal(engine_sqlite.preload(NULL), 0);
        r = engine_sqlite.open(&f->job, &f->session, &p);
        if (r)
                print_message("# open: %s %s\n", p.detail, p.text);
        assert_int_equal(r, ENGINE_OK);
}

static inline void fixture_done(struct fixture *f) {
        if (f->session)
                engine_sqlite.close(f->session);
        for (size_t i = 0; i < ENGINE_INPUTS_MAX; i++)
                buffer_done(&f->schemas[i]);
}
