/// A request body that wants to know that it is about to be read and sent.
package protocol SendingObserver {
  /// Called on the loop, before the request leaves, and so before any answer to it.
  func sendingBegins()
}
