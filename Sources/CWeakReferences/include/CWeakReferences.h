// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CWEAKREFERENCES_H
#define CWEAKREFERENCES_H

#include <stdbool.h>

/// Counts a strong reference to a Swift object; false, and it counts none, when the object's end has begun.
///
/// The object's memory must be there still, as it is while an unowned reference is counted.
bool cwr_try_retain(const void *object);

#endif
