// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// Where in the tree of processes this one is, and what it may use.
struct ProcessPlace: Sendable {
    /// 0 for the root.
    var depth: Int
    /// How many threads it has for tasks.
    var threadCount: Int
    /// What the context that keeps the system asked for.
    var options: ContextOptions
}

extension ProcessPlace {
    /// Of a process that makes a context of its own.
    init(ofContextAt depth: Int, _ options: ContextOptions) {
        self.init(depth: depth, threadCount: options.threadCount ?? availableProcessorCount(), options: options)
    }
}
