#pragma once

/* Where control groups are mounted, from the kernel's own texts. Pure. */

#include <stdbool.h>

/* "memory" in "rw,memory,cpu"; `separators` as in strspn(3). */
bool cgroup_has_word(const char *list, const char *word, const char *separators);

/* The folder of our own group, as far as one line of mountinfo(5) shows it. `own` is
 * /proc/self/cgroup (cgroups(7)), `type` "cgroup" with a controller of v1, or "cgroup2"
 * with "". NULL: not that line, or our group lies outside of what it shows. malloc'd. */
char *cgroup_folder(const char *own, const char *line, const char *type, const char *controller);
