namespace cpp nigh.benchmarks.thrift

service Echo {
  binary unary(1: binary data)
}
