// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CWeakReferences.h"

#include <stddef.h>

// The Swift runtime's own, with which it reads weak references.
extern const void *swift_tryRetain(const void *object);

bool cwr_try_retain(const void *object) { return swift_tryRetain(object) != NULL; }
