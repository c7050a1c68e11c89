// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// A worker as the swarm's engine sees it.
protocol SwarmWorker: AnyObject, Sendable {
    var processID: Int { get }
    /// Has it work on these, after what it already has.
    func assign(_ chunks: [ChunkID])
    /// Nobody waits for a chunk any more that it has.
    func cancel(_ chunk: ChunkID)
    /// Nothing more comes of a job.
    func forget(_ job: JobID)
    /// Lets it end: it has nothing to do.
    func retire()
    /// Ends it at once, whatever it does.
    func kill()
    /// Returns when it has ended.
    func stop(grace: Duration) async
}
