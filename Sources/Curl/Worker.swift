import NIOCore

/// The way to a loop's engine from anywhere.
struct Worker: Sendable {
  private let engine: NIOLoopBoundBox<Engine>

  init(_ engine: sending Engine, on loop: any EventLoop) {
    self.engine = NIOLoopBoundBox.makeBoxSendingValue(engine, eventLoop: loop)
  }

  var loop: any EventLoop { engine.eventLoop }

  /// Runs on the loop's thread: now when this is it and the engine is not in the middle of
  /// something, else soon.
  func run(_ work: @escaping @Sendable (Engine) -> Void) {
    if loop.inEventLoop && !engine.value.isBusy {
      work(engine.value)
    } else {
      loop.execute { [engine] in work(engine.value) }
    }
  }
}
