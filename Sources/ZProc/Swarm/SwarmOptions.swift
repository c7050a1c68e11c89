// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

public import ZProcCore

/// How a swarm treats its workers.
public struct SwarmOptions: Hashable, Sendable {
    /// How worker processes run.
    ///
    /// On `.threads` only ``ProcessOptions/isBlocking`` means something; other values are an
    /// error there.
    public var process = ProcessOptions()
    /// How long a worker may have nothing to do before it ends; nil for ever.
    ///
    /// Another one is started when there is work.
    public var idleLimit: Duration?
    /// How many workers stay, however long they have nothing to do.
    public var minimumWorkers = 0
    /// After how many items a worker is replaced by a new one; nil for never.
    public var itemsPerWorker: Int?
    /// Above how many bytes of memory a worker is replaced by a new one; nil for never.
    ///
    /// When it has done what it has; looked at about every 100 ms. Without meaning on `.threads`.
    public var memoryPerWorker: Int?

    /// How long a machine that has joined may not be heard of before its workers count as lost; what they had is done
    /// elsewhere, and they may join again.
    ///
    /// At least 10 ms; at a quarter of it the machine tells that it is there.
    public var machineTimeout: Duration = .seconds(10)

    /// Makes options with these values.
    public init() {}
}

/// How the items of a map, or a single task, are worked on.
public struct MapOptions: Sendable {
    /// In which order results come.
    public enum Order: String, Hashable, Sendable, Codable, CaseIterable {
        /// That of the items.
        case input
        /// As they are done.
        case completion
    }

    /// In which order results come.
    public var order: Order = .input
    /// How many items a worker gets at a time; nil to go by what they cost.
    ///
    /// The items of a chunk run again together when their worker dies, and time out together.
    public var chunkSize: Int?
    /// Work with a higher one is handed out first.
    public var priority = 0
    /// How long an item may take; nil for ever.
    ///
    /// Then its worker is ended and replaced, and its whole chunk has failed.
    /// A chunk of several items has as many times as long. On `.threads` the item is cancelled, and another worker takes
    /// the place of the one that still runs it.
    ///
    /// It holds also for an item that does not end when the map was cancelled or has failed; without it, such an item
    /// has 10 seconds from then on.
    public var itemTimeout: Duration?
    /// How long all of it may take; nil for ever.
    public var timeout: Duration?
    /// Which errors of items are tried again, on the same worker.
    public var retry: RetryPolicy = .never
    /// How many workers an item may end, each of them given nothing else, before it is given up.
    ///
    /// When a worker dies that has several chunks, each of them is given to a worker alone. A chunk whose worker died over
    /// it is halved, and its halves again, until the items which do it are alone: of a chunk of 1,000 items about 10 more
    /// workers die until then. The other items of the chunk are not lost.
    public var maximumDeaths = 3
    /// How many items may be on their way from input to consumer; nil for what keeps the workers busy.
    public var window: Int?
    /// For progress and lists of tasks.
    public var label: String?
    /// Whether the map shows how far it is.
    public var progress: MapProgress.Display = .none

    /// Makes options with these values.
    public init() {}
}
