// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The processor time of this process and of its descendants that have ended, in seconds.
func processorSeconds() -> Double { seconds(RUSAGE_SELF) + seconds(RUSAGE_CHILDREN) }

private func seconds(_ who: __rusage_who) -> Double {
    var usage = rusage()
    guard getrusage(__rusage_who_t(who.rawValue), &usage) == 0 else { return 0 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

private func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
