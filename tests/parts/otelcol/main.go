// The receivers of an OpenTelemetry Collector that read what lethe's sinks send: syslog and kafka, as published, without the
// rest of a collector, which would double what is to be compiled.
//
//	otelcol CONFIG.yaml     {receivers: {syslog: {...}, kafka: {...}}, file: PATH}
//
// The settings of a receiver are those of its documentation. What they understood goes to the file, a line for each delivery:
// OTLP logs as JSON.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/syslogreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	meter "go.opentelemetry.io/otel/metric/noop"
	tracer "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

var factories = map[string]receiver.Factory{"syslog": syslogreceiver.NewFactory(), "kafka": kafkareceiver.NewFactory()}

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

// fileWriter appends what a receiver delivers; a receiver hears of an error and tries again.
func fileWriter(path string) (consumer.Logs, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	var lock sync.Mutex
	return consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
		line, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
		if err != nil {
			return err
		}
		lock.Lock()
		defer lock.Unlock()
		_, err = file.Write(append(line, '\n'))
		return err
	})
}

func start(ctx context.Context, factory receiver.Factory, settings *confmap.Conf, next consumer.Logs, logger *zap.Logger) (receiver.Logs, error) {
	config := factory.CreateDefaultConfig()
	if err := settings.Unmarshal(&config); err != nil {
		return nil, err
	}
	made, err := factory.CreateLogs(ctx, receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{Logger: logger, TracerProvider: tracer.NewTracerProvider(),
			MeterProvider: meter.NewMeterProvider(), Resource: pcommon.NewResource()},
		BuildInfo: component.NewDefaultBuildInfo(),
	}, config, next)
	if err != nil {
		return nil, err
	}
	return made, made.Start(ctx, host{})
}

func run(ctx context.Context, path string) error {
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{URIs: []string{"file:" + path},
		ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()}, DefaultScheme: "file"})
	if err != nil {
		return err
	}
	all, err := resolver.Resolve(ctx)
	if err != nil {
		return err
	}
	next, err := fileWriter(all.Get("file").(string))
	if err != nil {
		return err
	}
	receivers, err := all.Sub("receivers")
	if err != nil {
		return err
	}
	for name := range receivers.ToStringMap() {
		settings, err := receivers.Sub(name)
		if err != nil {
			return err
		}
		started, err := start(ctx, factories[name], settings, next, zap.Must(zap.NewProduction()).Named(name))
		if err != nil {
			return err
		}
		defer started.Shutdown(context.Background())
	}
	<-ctx.Done()
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
