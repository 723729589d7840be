#pragma once

/* One host's part in a job: its stream, its bid, its run, its commit. Private to
 * the requester. A re-check is a replica of its own with run 1. */

#include "common/base/list.h"
#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "common/canonical/statement.h"
#include "services/coordinator/handle.h"
#include "services/coordinator/lane.h"
#include "services/coordinator/voter.h"

#define TICKET_MAX     STATEMENT_TICKET_MAX
#define ENGINE_MAX     (STATEMENT_TEXT_MAX + 1)
#define DETAIL_MAX     128
#define JOB_DETAIL_MAX 512 /* names everybody who was asked for a dataset */
#define JOB_TEXT_MAX   320 /* of an executor, escaped */
#define ATTEMPTS_MAX   3   /* of one host in one job */

enum replica_stage {
        REPLICA_OPENING = 0, /* dialling */
        REPLICA_OFFERED,
        REPLICA_BID,
        REPLICA_SIGNING, /* chosen; the dispatch is being signed */
        REPLICA_DISPATCHED,
        REPLICA_RUNNING,
        REPLICA_COMMITTED,
        REPLICA_OVER, /* refused, failed, cancelled; the stream may still be there */
        _REPLICA_STAGE_N,
};

/* A candidate as one job sees it. */
struct prospect {
        struct candidate candidate;
        unsigned number; /* of the host in this job's vote */
        unsigned attempts;
        bool is_busy;      /* has a replica under way, or has given its vote */
        bool is_out;       /* not to be asked again in this job */
        bool is_spare;     /* asked when the others are not enough */
        nsec_t not_before; /* back-off after a failure */
};

struct signed_bytes {
        struct buffer bytes;
        uint8_t signature[SIGNATURE_SIZE];
        bool is_signed;
};

struct bid {
        uint8_t ticket[TICKET_MAX];
        size_t ticket_len;
        char engine[ENGINE_MAX];
        uint64_t fetch_bytes, speed, estimate_us, memory;
        nsec_t valid_until;
};

struct replica {
        struct job *job;
        struct list in_job;
        struct prospect *prospect;
        uint32_t run;
        enum replica_stage stage;

        struct handle stream, request; /* request: the statement being signed */
        struct lane lane;
        bool has_lane;
        struct stream_remote remote;
        struct voter voter;
        unsigned group; /* voter.group as a number of this job */

        nsec_t opened, offered, bid_at, dispatched, started, heard, committed, over;
        char prefer[32]; /* the engine it was asked for; "": any that is admitted */
        struct bid bid;
        struct signed_bytes dispatch, commit, verdict;
        struct signed_bytes second; /* a commit that contradicts the first */
        struct answer answer;       /* behind the commit */
        struct {
                char stage[32];
                uint64_t rows, bytes, cpu_us;
        } progress;
        struct {
                uint64_t cpu_us, wall_us, peak_memory, rows, bytes;
        } claimed;

        bool is_vote;      /* its commit is its host's vote; one replica of each host at most */
        bool is_again;     /* asks a host for rows it committed to on a stream that was lost */
        bool is_for_rows;  /* run 1 of a host that agrees and has let its rows go, or was let go */
        bool is_rowless;   /* the host has said so */
        bool has_said;     /* `problem` is what the host said; else it is ours */
        bool ran_out;      /* of memory, while it ran the job */
        bool is_for_now;   /* and it said when to ask again */
        bool is_ours;      /* it is over because we could not go on */
        unsigned n_asked;  /* for rows, on this stream */
        bool is_counted;   /* one of the quorum, in the receipt */
        bool is_told;      /* has its verdict */
        bool is_finishing; /* the lane goes when all is sent */
        bool has_commit, agrees, is_cancelled, is_rows_bad, has_lied_twice;
        enum verdict judged;        /* 0: not yet */
        enum outcome_error problem; /* why it is over */
        char detail[DETAIL_MAX];    /* ours, or the host's, escaped */
        int32_t said_at;            /* where in the statement that is, or -1 */
        char *said;                 /* its words on an SQL error, escaped, unsigned; or NULL */
};

bool replica_is_live(const struct replica *r);    /* run 0 or 1, dispatched, no commit yet */
bool replica_is_waiting(const struct replica *r); /* dialling or offered */

struct replica *replica_open(struct job *j, struct prospect *p, uint32_t run, nsec_t now);
void replica_free(struct replica *r);
void replica_dispatch(struct replica *r, nsec_t now); /* a bid was chosen */
/* Says Cancel where there is somebody to say it to. The stream stays readable. */
void replica_says(struct replica *r, const char *text); /* of an SQL error */
void replica_cancel(struct replica *r, nsec_t now);
void replica_hold(struct replica *r);
void replica_release(struct replica *r);
/* It is over, for this reason; `judged` 0: no judgement. The stream is reset. */
void replica_fail(struct replica *r, enum verdict judged, enum outcome_error problem,
                  const char *detail, nsec_t now);
void replica_send(struct replica *r, const Grid__JobMessage *m, nsec_t now);
void replica_finish(struct replica *r); /* nothing more to say */
void replica_drop_lane(struct replica *r);
/* Its rows are not what it signed: no more of them. */
void replica_rows_bad(struct replica *r, nsec_t now);

/* Inputs. */
void replica_opened(struct replica *r, const struct stream_remote *remote, uint32_t window,
                    nsec_t now);
void replica_data(struct replica *r, struct bytes data, nsec_t now);
void replica_stream_lost(struct replica *r, nsec_t now); /* reset, refused, or ended by the peer */
void replica_signed(struct replica *r, struct bytes statement, struct bytes signature, nsec_t now);
void replica_expire(struct replica *r, nsec_t now); /* dial, silence, attempt */

void job_message_init(Grid__JobMessage *m, Grid__JobMessage__BodyCase which);
