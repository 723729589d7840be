#pragma once

/* The last frame of a result. Private to the requester. */

#include "services/coordinator/job.h"

/* Views into the job and into itself. */
struct job_end {
        Coordinator__ResultEnd end;
        Types__Problem problem;
        Coordinator__HostReport reports[JOB_REPLICAS_MAX], *report_list[JOB_REPLICAS_MAX];
        Types__Problem problems[JOB_REPLICAS_MAX];
        Types__Metering claims[JOB_REPLICAS_MAX];
        Coordinator__AnswerGroup groups[QUORUM_VOTES_MAX], *group_list[QUORUM_VOTES_MAX];
        ProtobufCBinaryData voters[QUORUM_VOTES_MAX][QUORUM_VOTES_MAX];
        char addresses[QUORUM_VOTES_MAX][MULTIADDR_TEXT_SIZE];
        Coordinator__Estimate estimate;
        Types__Metering actual;
        char receipt[400], reason[REASON_MAX], fell_over[FELL_OVER_MAX],
                *engines[DESCRIPTOR_CLASSES_MAX];
};
void job_end_fill(const struct job *j, struct job_end *ret);
