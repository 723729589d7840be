/* The files of a job without a node: what its executor writes, and what it reads. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/client/private_job.h"

int private_open_spool(struct quorate *q, int *ret) {
        const char *folder = getenv("TMPDIR");

        *ret = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (*ret < 0)
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: %s; set TMPDIR to a writable folder with room",
                                   folder && *folder ? folder : "/tmp", strerror(errno));
        return QUORATE_OK;
}

/* What the executor maps is a copy that nobody writes; and it maps it read-only, and so
 * gets no more than that. */
int private_open_input(struct private_job *p, const char *input) {
        CLEANUP(fd_closep) int fd = -1, copy = -1;
        size_t i = p->n_inputs;
        struct data_file f;
        char path[64];
        int r = data_file_open(p->q, input, &f);

        if (r)
                return r;
        fd = f.fd;
        if (strcmp(f.format, "sqlite") != 0) {
                r = data_file_copy(p->q, input, &f, &copy);
                if (r)
                        return r;
        }
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", copy >= 0 ? copy : fd);
        p->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (p->fds[i] < 0)
                return client_fail(p->q, QUORATE_E_INPUT, "%s: %s", input, strerror(errno));
        p->formats[i] = f.format;
        p->lengths[i] = f.length;
        return QUORATE_OK;
}
