#pragma once

/* One answer on its way: frames of the result channel, decoded one by one as the
 * caller asks for them. Private to libquorate. */

#include "common/client/internal.h"

#define REATTACH_WITHIN   (30 * NSEC_PER_SEC) /* a node that went away is waited for */
#define RESULT_FRAMES_MAX 4                   /* decoded frames held; then credit stays with us */

struct result_frame {
        struct list link;
        struct unpacked message; /* Coordinator__ResultFrame */
};

struct quorate_result {
        struct quorate *q;
        struct private_job *private; /* or NULL: a node answers */
        uint8_t job[HASH_SIZE];
        struct channel *channel; /* NULL: lost, to be opened again */
        struct frame_reader reader;
        struct list frames;
        size_t n_frames;
        unsigned owed; /* units whose credit we hold back */
        bool arrived;  /* a frame, or the loss of the channel */
        bool malformed, ended;
        int refused;   /* enum quorate_code of the node's own no; 0: none */
        bool is_known; /* the node had the job: we submitted it, or it sent some of it */
        bool end_came; /* its last frame is queued or taken */
        nsec_t lost_since;

        struct schema *schema;
        bool has_begun; /* a schema came on this channel */
        char **column_types;
        char **column_names;
        struct result_frame *batch; /* whose rows are being read */
        struct reader rows;
        uint64_t next_batch;
        bool batch_begins;
        struct cell *cells;
        struct quorate_value *values;
        struct buffer *texts; /* one per column */
        bool *filled;

        struct quorate_progress progress;
        struct result_frame *progress_frame;
        struct quorate_host_progress *progress_hosts;
        struct quorate_end end;
        struct result_frame *end_frame;
        struct quorate_host *end_hosts;
        char (*peers)[64]; /* texts of peer ids, of progress or end */
        char message[1024], (*problems)[512];
};

struct result_frame *result_frame_free(struct result_frame *f);
/* question.c: uploads the inputs and submits; asks again, as the same job, when the node
 * went away meanwhile. QUORATE_OK with *reply, a coordinator.SubmitReply. */
int question_submit(struct quorate *q, const struct quorate_question *question,
                    struct unpacked *reply);
/* Decodes one frame and queues it; what cannot be decoded marks r malformed. */
void result_add_frame(struct quorate_result *r, struct bytes bytes);
/* Keeps `f` for the views into it. QUORATE_OK, or QUORATE_E_PROTOCOL. */
int result_take_schema(struct quorate_result *r, const Coordinator__ResultSchema *s);
void result_take_progress(struct quorate_result *r, struct result_frame *f);
void result_take_end(struct quorate_result *r, struct result_frame *f);
