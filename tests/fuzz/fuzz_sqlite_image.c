#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IMAGE_MAX (1 << 20)
#define TURNS_MAX 200 /* of the progress handler: a few milliseconds each */

static bool is_over(void *userdata) {
        return ++*(unsigned *) userdata > TURNS_MAX;
}

/* An image somebody published, opened and described as at publishing, then read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char sql[] = "SELECT * FROM t";
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        CLEANUP(buffer_donep) struct buffer schema = {};
        struct engine_session *s = NULL;
        struct engine_problem p;
        unsigned turns = 0;
        struct engine_job job = {
                .memory = 64 << 20, .n_inputs = 1, .is_over = is_over, .userdata = &turns
        };

        if (size > IMAGE_MAX)
                return 0;
        memcpy(job.inputs[0].name, "main", 5);
        job.inputs[0].data = data;
        job.inputs[0].length = size;
        check(engine_sqlite.preload(NULL) == 0);
        if (engine_sqlite.open(&job, &s, &p) != ENGINE_OK)
                return 0;
        buffer_init(&schema, 2 << 20);
        (void) engine_sqlite.describe(s, &schema, &p);
        (void) engine_sqlite.analyse(s, BYTES_STR(sql), false, &a, &p);
        engine_sqlite.close(s);
        return 0;
}
