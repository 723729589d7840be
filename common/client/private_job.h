#pragma once

/* One job of a private executor. Shared by private*.c only. */

#include "common/base/budget.h"
#include "common/canonical/answer.h"
#include "common/client/data_file.h"
#include "common/client/private.h"

struct private_job {
        struct quorate *q;
        struct quorate_result *result;
        struct executor_zygote *zygote; /* q's, of the engine that answers */
        struct executor_run *run;
        bool is_duckdb;
        nsec_t began, first_row, deadline;

        /* Inputs, admitted once. */
        int fds[EXECUTOR_INPUTS_MAX];
        uint64_t lengths[EXECUTOR_INPUTS_MAX];
        char names[EXECUTOR_INPUTS_MAX][DATA_NAME_SIZE];
        const char *formats[EXECUTOR_INPUTS_MAX];
        struct buffer options[EXECUTOR_INPUTS_MAX], schemas[EXECUTOR_INPUTS_MAX];
        size_t n_inputs, describing; /* the one that is described just now */

        /* Analysis */
        char *sql, *class_name, *engine;
        struct unpacked analysis; /* Worker__Report */
        struct schema *schema;
        Types__Limits limits;
        uint8_t seed[32];
        int64_t time_us;

        /* What it said last */
        struct answer answer;
        bool is_committed, is_failed, is_checking;
        uint32_t outcome;
        int32_t position;
        char detail[128], text[256];

        int spool; /* both ways: an unlinked file */
        uint64_t at, next_batch;
        struct buffer record;
        struct answer_checker checker;
        struct budget digests;
};

/* An unlinked file in $TMPDIR; the fd is the caller's. QUORATE_OK, or said why not. */
int private_open_spool(struct quorate *q, int *ret);
/* Input p->n_inputs: its descriptor, length and format. The same. */
int private_open_input(struct private_job *p, const char *input);

/* Whether the question names that engine, or none. */
bool private_wants_engine(const struct quorate_question *question, const char *engine);
/* By the formats of p's inputs and what was asked for; its zygote runs then. The same. */
int private_choose_engine(struct private_job *p, const struct quorate_question *question);

/* Each queues one frame in the job's result. */
void private_put_schema(struct private_job *p);
void private_put_progress(struct private_job *p, const Worker__Progress *from);
void private_put_batch(struct private_job *p, uint64_t rows); /* p->record */
/* By what p knows: LOCAL, or the problem. */
void private_put_end(struct private_job *p);
