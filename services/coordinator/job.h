#pragma once

/* One query of our own, from submit to its last statement. Private to the
 * requester. Inputs change the state and then call job_step(), which does all that
 * has become due and says when to be called again. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/schema.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/classes.h"
#include "services/coordinator/client.h"
#include "services/coordinator/fallover.h"
#include "services/coordinator/hosts.h"
#include "services/coordinator/job_cached.h"
#include "services/coordinator/job_cost.h"
#include "services/coordinator/job_input.h"
#include "services/coordinator/planner.h"
#include "services/coordinator/quorum.h"
#include "services/coordinator/replica.h"
#include "services/coordinator/requester.h"
#include "services/coordinator/retry.h"
#include "services/coordinator/rows.h"
#include "services/coordinator/trust.h"

#define JOB_REPLICAS_MAX  96 /* dials, offers and re-checks together */
#define JOB_PROSPECTS_MAX 32
#define JOB_CALLS_MAX     4

enum job_stage {
        JOB_INPUTS = 0, /* datasets are looked up */
        JOB_RESTORED,   /* read from the journal, not yet decided about */
        JOB_ANALYSING,
        JOB_DESCRIBING,   /* hosts say what it is */
        JOB_FINDING,      /* gossip is asked for more hosts */
        JOB_RECALLING,    /* an answer that was kept is looked up */
        JOB_GRID,         /* offers, runs, votes */
        JOB_LOCAL,        /* our own worker runs it */
        JOB_FALLING_OVER, /* too much for that engine: the other one is asked */
        JOB_ROWS,
        JOB_CLOSING, /* statements are signed, the receipt is stored */
        JOB_ENDED,   /* re-checks, statements to hosts, client's rest */
        _JOB_STAGE_N,
};

/* Offers under way: how many hosts are wanted, and when to stop waiting. */
struct round {
        bool is_active, rest_asked;
        unsigned want, fewest; /* fewest: below this there is no start */
        nsec_t began, kth;
        unsigned next; /* prospects asked so far, of `order` */
        unsigned order[JOB_PROSPECTS_MAX], n_order;
};

struct refused {
        char expression[80], why[DETAIL_MAX];
        int32_t position; /* -1: it has none */
};

struct job {
        struct requester *rq;
        struct list link;
        struct heap_entry timer;
        nsec_t wake; /* of this step */
        enum job_stage stage;
        bool is_explain, is_dead;

        uint64_t calls[JOB_CALLS_MAX]; /* to be answered when it is journalled */
        size_t n_calls;
        struct unpacked request_memory;
        const Coordinator__SubmitRequest *request; /* own copy */
        struct entropy entropy;
        struct job_input *inputs;
        size_t n_inputs;
        uint64_t input_bytes; /* of those that are ready; stays when they are let go */
        struct quorum_rule rule;
        bool has_asked_check;
        nsec_t began, deadline, run_began, ended, idle_since;
        int64_t time_us;

        /* From the analysis. */
        char *sql, *class_name, *engine;
        struct buffer descriptor;
        struct hash_value id, salt;
        bool has_id, is_ordered, is_portable, is_repeatable, is_journalled;
        struct schema *schema;
        enum comparison comparison;
        enum data_class data_class;
        struct plan plan;
        struct refused refused;      /* not EXACT: what decides that */
        struct refused not_portable; /* what engines differ in; no `why`: nothing, or not known */
        struct handle run, journal, receipt;
        unsigned n_analyses;
        struct describing *describing; /* or NULL */
        unsigned engines_tried;        /* bit i: engine i of the core cannot read the statement */
        char unread[DETAIL_MAX];       /* what the first of them said */
        struct classes classes;        /* admitted */
        bool has_slot;
        uint64_t slot_memory;
        struct job_cost cost;
        struct fell_over fell_over;

        /* Hosts. */
        struct handle find;
        nsec_t find_until; /* find.id: not waited for longer; else: asked again */
        struct found found;
        bool has_found;

        /* Grid. */
        struct prospect prospects[JOB_PROSPECTS_MAX];
        unsigned n_prospects;
        struct list replicas;
        size_t n_replicas;
        struct round round;
        unsigned rounds_failed, fewest_again; /* fewest_again: bids the next round must bring */
        nsec_t retry_at, reached, first_dispatch, hold_at;
        struct quorum quorum;
        char *groups[JOB_REPLICAS_MAX];
        unsigned n_groups;
        bool is_contested, was_contested, has_strangers, has_given_up, has_dialled_again;
        struct answer accepted; /* plain values of the leader */
        bool is_accepted;

        struct rows rows;
        struct job_cached cached;
        struct client client;
        bool is_restored, is_hopeless, has_before, was_read;
        struct answer before; /* restored: the sequence the client may have rows of */

        /* The end. */
        enum result_state state; /* 0: problem says why */
        enum outcome_error problem;
        bool is_error_unsigned; /* each host's own word: the error is not compared */
        char detail[JOB_DETAIL_MAX], host_text[JOB_TEXT_MAX];
        bool is_importing; /* our own worker, an input */
        uint64_t imported; /* bytes that it made of it by now */
        struct peer_id problem_peer;
        int32_t position;
        bool has_receipt, needs_receipt, is_settled;
        unsigned unsigned_verdicts;
        nsec_t elapsed, first_row;
};
