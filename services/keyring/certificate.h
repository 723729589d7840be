#pragma once

/* As much of DER as recognising the signed part of a certificate takes. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"

#define CERTIFICATE_TBS_MAX 4096

/* A version 3 TBSCertificate (RFC 5280, 4.1.2) and nothing behind it; *ret_spki is
 * its SubjectPublicKeyInfo, a view. */
bool certificate_tbs_key(struct bytes tbs, struct bytes *ret_spki);
