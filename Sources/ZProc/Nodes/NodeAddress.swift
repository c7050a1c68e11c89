// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import ZProcCore

/// Where a node is to be found, and which one is meant: a node that comes back at the same endpoint is another.
package struct NodeAddress: Hashable, Sendable, Codable {
    package var endpoint: Endpoint
    package var node: NodeID

    package init(endpoint: Endpoint, node: NodeID) {
        self.endpoint = endpoint
        self.node = node
    }

    package static func == (left: NodeAddress, right: NodeAddress) -> Bool {
        left.node == right.node && left.endpoint == right.endpoint
    }

    /// A node has a number of its own; one that may be any is known by its place.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(node.number)
        if node == .any { hasher.combine(endpoint) }
    }
}
